"""The first line of every screen: who we are attached to, how well, and how the bot stands.

Times are shown in steps, so that a bot on which nothing happens costs no bytes.
"""

from dataclasses import dataclass

from messages.control import Pong, Welcome
from messages.views import StatusView
from tui.client import Link
from tui.text import Glyphs, clean, clock, money, signed, span, step_ms
from tui.widgets.painted import Lines, Run

# A loop this late trades late: worth a warning colour.
LAG_WARN_S = 0.25
# Daemon and screen are on one machine: below this the round trip tells nothing.
ROUND_TRIP_SHOWN_S = 0.1


@dataclass(frozen=True)
class Facts:
    """Everything the status line tells."""

    link: Link
    round_trip_s: float
    doubts: int
    armed_s: float
    """Seconds that acts stay allowed; 0 when read-only."""
    frozen: bool
    status: StatusView | None
    welcome: Welcome | None
    pong: Pong | None


class StatusLine(Lines):
    """One line, most important parts first; what has no room is left out from the end."""

    def tell(self, facts: Facts, glyphs: Glyphs) -> None:
        """Show the facts."""
        gap = f" {glyphs.rule} "
        runs: list[Run] = []
        room = self.size.width
        for part in _parts(facts):
            need = sum(len(run.text) for run in part) + (len(gap) if runs else 0)
            if need > room:
                break
            if runs:
                runs.append(Run(gap, "dim"))
            runs += part
            room -= need
        self.show([runs])


def _parts(facts: Facts) -> list[list[Run]]:
    parts = [_identity(facts), _link(facts), *_trading(facts)]
    if facts.doubts:
        parts.insert(2, [Run(f"{facts.doubts} acts in doubt", "alert")])
    if facts.frozen:
        parts.insert(1, [Run("painting paused", "alert")])
    if facts.status is not None:
        parts += _figures(facts.status)
    if facts.pong is not None:
        lag_s = facts.pong.loop_lag_ns / 1e9
        parts.append([Run(f"lag {step_ms(lag_s)}", "warn" if lag_s > LAG_WARN_S else "plain")])
        parts.append([Run(f"{clock(facts.pong.now_ns, seconds=False)}Z")])
    return parts


def _identity(facts: Facts) -> list[Run]:
    environment = facts.welcome.environment if facts.welcome else "?"
    mode = Run(f"RW {span(facts.armed_s)}", "alert") if facts.armed_s > 0 else Run("RO", "dim")
    return [Run("canopy ", "accent"), Run(f"{clean(environment)} "), mode]


def _link(facts: Facts) -> list[Run]:
    if facts.link is Link.LIVE:
        slow = facts.round_trip_s > ROUND_TRIP_SHOWN_S
        # Not "live": beside an environment that would be read as real money.
        return [Run(f"link {step_ms(facts.round_trip_s)}" if slow else "link ok")]
    tone = "warn" if facts.link in (Link.SLOW, Link.CONNECTING) else "fail"
    return [Run(facts.link.value.upper(), tone)]


def _trading(facts: Facts) -> list[list[Run]]:
    status = facts.status
    if status is None:
        return []
    if facts.link in (Link.DOWN, Link.STALE):
        # What it did when we last heard of it is no news of what it does.
        return [[Run("trading unknown", "warn")]]
    if status.kill_switch:
        return [[Run("KILL SWITCH ON", "alert")]]
    mode = status.mode.upper()
    if not status.trading:
        return [[Run(f"{clean(mode)} not trading", "warn")]]
    return [[Run(f"{clean(mode)} trading", "plain" if mode == "ACTIVE" else "warn")]]


def _figures(status: StatusView) -> list[list[Run]]:
    parts = [[Run(f"open {status.orders_open}")]]
    for amount in status.realised:
        text = signed(money(clean(amount.amount), amount.asset))
        tone = "down" if "-" in text else "up" if "+" in text else "plain"
        parts.append([Run("realised "), Run(text, tone), Run(f" {clean(amount.asset)}")])
    if status.quarantined:
        parts.insert(0, [Run(f"{status.quarantined} set aside", "fail")])
    parts.append([Run(f"fills {status.fills}")])
    parts.append([Run(f"restarts {status.restarts}", "warn" if status.restarts else "plain")])
    parts.append([Run(f"actors {status.actors}")])
    return parts
