"""Taking over a changed `bot.toml` while the bot runs: `bot apply`, and less of it on SIGHUP.

The roster is stored before anything else is done, in the transaction of its audit entry. What then
cannot be done in the running process (accounts that come or go) is done by the next start, which
builds everything from what is stored; the answer says so.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from bot import logs
from bot.board import Board
from bot.config import Config, ConfigError
from bot.limits_change import limit_changes, tighter
from bot.respec import take_over
from bot.roster import store_roster
from bot.roster_change import CHANGED, Change, accounts_of, roster_changes
from bot.start_checks import start_problems
from messages.control import Answer, Apply, Outcome
from messages.settings import Roster
from messages.views import ChangeView
from state.store import Store
from supervisor.spec import SupervisorSpec
from supervisor.supervisor import ChildError
from supervisor.system import System

logger = logging.getLogger("daemon")

NOW, NEXT_START, REFUSED = "now", "next start", "refused"
BY_HANGUP = "SIGHUP"
# Parts of the configuration that only a start reads.
_START_ONLY = ("data", "venues", "assets")


class Running(msgspec.Struct):
    """What runs: the configuration and the roster in force, and how to make and read others."""

    config: Config
    roster: Roster
    reload: Callable[[], Config]
    """Reads the configuration as the start did. Raises `ConfigError`."""
    assemble: Callable[[Config, Roster], SupervisorSpec]


class _Plan(msgspec.Struct):
    """A configuration that was read, and how it differs from what runs."""

    config: Config
    roster: list[Change]
    limits: list[Change]
    others: list[Change]
    needs_start: str = ""
    """Why the roster's changes wait for the next start; "" if they do not."""

    @property
    def refused(self) -> list[Change]:
        """Return what may not be done."""
        return [change for change in self.roster if change.refusal]

    def rows(self) -> list[ChangeView]:
        """Return everything that differs, for people."""
        when = NEXT_START if self.needs_start else NOW
        return [
            *(_row(change, when) for change in self.roster),
            *(_row(change, NOW) for change in self.limits),
            *(_row(change, NEXT_START) for change in self.others),
        ]


class Applier:
    """Takes over changes of one running bot's configuration."""

    def __init__(self, running: Running, system: System, store: Store, board: Board) -> None:
        self._running = running
        self._system = system
        self._store = store
        self._board = board

    async def apply(self, request: Apply, operator: str) -> Answer:
        """Do what the configuration file says, or say what would be done."""
        answer = partial(Answer, request_id=request.request_id)
        try:
            plan = self._plan()
        except ConfigError as error:
            return answer(outcome=Outcome.DENIED, text=str(error))
        rows = tuple(plan.rows())
        if plan.refused:
            said = "; ".join(f"{change.subject}: {change.refusal}" for change in plan.refused)
            return answer(outcome=Outcome.DENIED, text=f"nothing was applied: {said}", rows=rows)
        if request.dry_run or not rows:
            text = "nothing was changed" if rows else "bot.toml says what runs: nothing to do"
            return answer(outcome=Outcome.OK, text=text, rows=rows)
        now_ns = self._system.clock.now_ns()
        self._audit(now_ns, operator, [*plan.roster, *plan.limits])
        if plan.roster:
            store_roster(self._store, plan.config.first_run)
        await self._store.committed()
        failure = await self._take_over(plan)
        if failure:
            text = f"stored, and to be completed by the next start: {failure}"
            return answer(outcome=Outcome.ERROR, text=text, rows=rows)
        return answer(outcome=Outcome.OK, text=_said(plan), rows=rows)

    async def hang_up(self) -> list[str]:
        """Take over what nobody needs to confirm: the log's level, and tighter limits.

        Return what was not, in words.
        """
        try:
            plan = self._plan()
        except ConfigError as error:
            return [f"nothing was reloaded: {error}"]
        self._set_level(plan.config)
        running = self._running
        limits = tighter(running.config.limits, plan.config.limits)
        done = limit_changes(running.config.limits, limits)
        if done:
            self._audit(self._system.clock.now_ns(), BY_HANGUP, done)
            failure = await self._renew(replace(running.config, limits=limits), running.roster)
            left = [f"{failure}"] if failure else []
            logger.info("reloaded: %s", "; ".join(f"{c.subject} {c.detail}" for c in done))
        else:
            left = []
        looser = limit_changes(limits, plan.config.limits)
        left += [f"{c.subject} {c.detail}: looser, so only by `bot apply`" for c in looser]
        left += [f"{c.what} {c.subject} {c.detail}: only by `bot apply`" for c in plan.roster]
        left += [f"{c.subject}: only by a restart" for c in plan.others]
        return left

    # --- inside

    def _plan(self) -> _Plan:
        running = self._running
        config = running.reload()
        problems = start_problems(config.venues, config.first_run)
        if problems:
            raise ConfigError("the configuration", problems)
        return _Plan(
            config=config,
            roster=roster_changes(running.roster, config.first_run, self._board),
            limits=_live_changes(running.config, config),
            others=_other_changes(running.config, config),
            needs_start=_needs_start(running, config),
        )

    async def _take_over(self, plan: _Plan) -> str:
        """Do now what can be done now; return what failed."""
        running = self._running
        config = replace(
            running.config,
            limits=plan.config.limits,
            defaults=plan.config.defaults,
            log=replace(running.config.log, level=plan.config.log.level),
        )
        self._set_level(plan.config)
        roster = running.roster if plan.needs_start else plan.config.first_run
        return await self._renew(config, roster)

    async def _renew(self, config: Config, roster: Roster) -> str:
        running = self._running
        feeds = [
            f"/venues/{venue}/public/feed"
            for venue in config.venues
            if _listeners(running.roster, venue) != _listeners(roster, venue)
        ]
        try:
            await take_over(self._system, running.assemble(config, roster), feeds)
        except (ChildError, LookupError) as error:
            return str(error)
        running.config, running.roster = config, roster
        return ""

    def _set_level(self, config: Config) -> None:
        if config.log.level is not self._running.config.log.level:
            logs.set_level(config.log)
            logger.info("the log is kept from level %s on", config.log.level.value)
            log = replace(self._running.config.log, level=config.log.level)
            self._running.config = replace(self._running.config, log=log)

    def _audit(self, now_ns: int, operator: str, changes: Sequence[Change]) -> None:
        for change in changes:
            self._store.audit(now_ns, operator, "apply", change.subject, _words(change))


def _live_changes(before: Config, after: Config) -> list[Change]:
    """Return what differs beside the roster and can be taken over while running."""
    found = limit_changes(before.limits, after.limits)
    for name, old in msgspec.structs.asdict(before.defaults).items():
        new = getattr(after.defaults, name)
        if new != old:
            found.append(Change(f"defaults.{name}", CHANGED, f"{old} -> {new}"))
    if before.log.level is not after.log.level:
        detail = f"{before.log.level.value} -> {after.log.level.value}"
        found.append(Change("log.level", CHANGED, detail))
    return found


def _other_changes(before: Config, after: Config) -> list[Change]:
    """Return what differs and only a start reads."""
    names = [name for name in _START_ONLY if getattr(before, name) != getattr(after, name)]
    if replace(before.log, level=after.log.level) != after.log:
        names.append("log")
    return [Change(name, CHANGED, "read by a start only") for name in names]


def _needs_start(running: Running, config: Config) -> str:
    if (config.venues, config.assets) != (running.config.venues, running.config.assets):
        return "venues or assets differ, and only a start reads them"
    if accounts_of(config.first_run) != accounts_of(running.roster):
        return "an account at a venue comes or goes"
    if config.first_run.users != running.roster.users:
        return "users come or go"
    return ""


def _listeners(roster: Roster, venue: str) -> list[tuple[str, list[tuple[str, tuple[str, ...]]]]]:
    """Return whom a venue's feed tells of instruments, and of which: its vaults' sleeves."""
    return [
        (f"{vault.user}/{vault.name}", [(sleeve.name, sleeve.symbols) for sleeve in vault.sleeves])
        for vault in roster.vaults
        if vault.venue == venue
    ]


def _row(change: Change, when: str) -> ChangeView:
    return ChangeView(
        subject=change.subject,
        change=change.what,
        detail=change.refusal or change.detail,
        takes_effect=REFUSED if change.refusal else when,
    )


def _words(change: Change) -> str:
    return f"{change.what} {change.detail}".strip()


def _said(plan: _Plan) -> str:
    parts = []
    if plan.roster and plan.needs_start:
        parts.append(
            f"users, vaults and sleeves are stored and take effect at the next start, since "
            f"{plan.needs_start}: `bot stop`, then start it again"
        )
    elif plan.roster:
        parts.append("users, vaults and sleeves are as in bot.toml now")
    if plan.limits:
        parts.append("limits and defaults hold now")
    if plan.others:
        names = ", ".join(change.subject for change in plan.others)
        parts.append(f"read by a start only: {names}")
    return "; ".join(parts)
