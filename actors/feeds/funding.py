"""What holding perpetuals costs: recorded when it changes, and told when it is dear."""

import msgspec

from messages.money import Alert, Severity
from messages.monitors import FundingConfigured, FundingRate
from messages.rows import FundingRow
from supervisor.actor import Actor, Context, State

NANOSECONDS_PER_SECOND = 1_000_000_000
YEAR_S = 365 * 86_400
PPB_PER_PPM = 1_000
# A row of an unchanged rate, so that people see it is watched.
REPEAT_ROW_NS = 3_600 * NANOSECONDS_PER_SECOND


class Watched(msgspec.Struct):
    """What was recorded last of one perpetual."""

    rate: FundingRate
    at_ns: int
    is_told: bool = False


class FundingState(State):
    """What is known, by venue and symbol."""

    config: FundingConfigured | None = None
    watched: dict[str, Watched] = msgspec.field(default_factory=dict)


class FundingMonitor(Actor[FundingState]):
    """Records rates when they change, and tells of dear ones once until they are not."""

    def on_configured(self, state: FundingState, message: FundingConfigured, ctx: Context) -> None:
        state.config = message

    def on_rate(self, state: FundingState, message: FundingRate, ctx: Context) -> None:
        key = f"{message.venue} {message.symbol}"
        known = state.watched.get(key)
        is_same = known is not None and known.rate == message
        if known is None or not is_same or ctx.now_ns - known.at_ns >= REPEAT_ROW_NS:
            was_told = known.is_told if known is not None else False
            known = state.watched[key] = Watched(message, ctx.now_ns, was_told)
            ctx.record(_row(message, ctx.now_ns))
        self._judge(state, known, ctx)

    def _judge(self, state: FundingState, known: Watched, ctx: Context) -> None:
        assert state.config is not None, "an actor is configured first"
        rate = known.rate
        bound_ppm = state.config.alert_yearly_ppm.get(rate.venue, 0)
        yearly = yearly_ppm(rate)
        is_dear = bool(bound_ppm) and abs(yearly) > bound_ppm
        if is_dear and not known.is_told:
            side = "longs" if yearly > 0 else "shorts"
            text = (
                f"holding {rate.symbol} at {rate.venue} costs {side} {abs(yearly) / 10_000:.1f} % "
                "a year while its funding stays so"
            )
            alert = Alert(severity=Severity.NOTICE, subject=ctx.address, text=text)
            ctx.send(state.config.alerts, alert)
        known.is_told = is_dear


def yearly_ppm(rate: FundingRate) -> int:
    """Return what a long pays in a year, in millionths, if the rate stays."""
    per_year = YEAR_S * NANOSECONDS_PER_SECOND
    return rate.rate_ppb * per_year // rate.interval_ns // PPB_PER_PPM


def _row(rate: FundingRate, now_ns: int) -> FundingRow:
    return FundingRow(
        venue=rate.venue,
        symbol=rate.symbol,
        rate_ppb=rate.rate_ppb,
        next_rate_ppb=rate.next_rate_ppb if rate.next_rate_ppb is not None else 0,
        is_predicted=rate.next_rate_ppb is not None,
        mark_price=rate.mark_price,
        interval_ns=rate.interval_ns,
        settles_ns=rate.settles_ns,
        yearly_ppm=yearly_ppm(rate),
        at_ns=now_ns,
    )
