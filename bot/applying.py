"""Taking over a changed `bot.toml` while the bot runs: `bot apply`, and less of it on SIGHUP.

The roster is stored before anything else is done, in the transaction of its audit entry. What then
cannot be done in the running process (accounts that come or go) is done by the next start, which
builds everything from what is stored; the answer says which changes these are.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from actors.wiring import sleeve_address, vault_address
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
    now: Roster
    """The roster that can be in force without a start."""
    later: frozenset[str]
    """The subjects of changes that wait for the next start."""
    why_later: str

    @property
    def refused(self) -> list[Change]:
        """Return what may not be done."""
        return [change for change in self.roster if change.refusal]

    def when(self, change: Change) -> str:
        """Return when a change of the roster takes effect."""
        return NEXT_START if change.subject in self.later else NOW

    def rows(self) -> list[ChangeView]:
        """Return everything that differs, for people."""
        return [
            *(change_row(change, self.when(change)) for change in self.roster),
            *(change_row(change, NOW) for change in self.limits),
            *(change_row(change, NEXT_START) for change in self.others),
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
        roster = roster_changes(running.roster, config.first_run, self._board)
        now, later, why_later = _split(running, config, roster)
        return _Plan(
            config=config,
            roster=roster,
            limits=_live_changes(running.config, config),
            others=_other_changes(running.config, config),
            now=now,
            later=later,
            why_later=why_later,
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
        return await self._renew(config, plan.now)

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
        audit_changes(self._store, now_ns, operator, changes)


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


def _split(
    running: Running, config: Config, changes: Sequence[Change]
) -> tuple[Roster, frozenset[str], str]:
    """Return the roster that can be in force while the bot runs, what it leaves out, and why."""
    before, wanted = running.roster, config.first_run
    if (config.venues, config.assets) != (running.config.venues, running.config.assets):
        everything = frozenset(change.subject for change in changes)
        return before, everything, "venues or assets differ, and only a start reads them"
    ours, theirs = accounts_of(before), accounts_of(wanted)
    moved = _moved(before, wanted)
    if ours == theirs and before.users == wanted.users:
        return wanted, moved, "where a sleeve's code runs is decided by a start" if moved else ""
    stay = [vault for vault in wanted.vaults if (vault.user, vault.venue) in ours]
    go = [vault for vault in before.vaults if (vault.user, vault.venue) not in theirs]
    come = [vault for vault in wanted.vaults if (vault.user, vault.venue) not in ours]
    moving = {vault_address(vault) for vault in (*come, *go)}
    later = frozenset(
        change.subject
        for change in changes
        if _is_user(change.subject) or "/".join(change.subject.split("/")[:5]) in moving
    )
    now = replace(before, vaults=(*stay, *go))
    return now, later | moved, "users or accounts at a venue come or go"


def _moved(before: Roster, wanted: Roster) -> frozenset[str]:
    """Return the addresses of sleeves whose code is to run in another process than it does."""
    runs = {
        sleeve_address(vault, sleeve): sleeve.isolation
        for vault in before.vaults
        for sleeve in vault.sleeves
    }
    return frozenset(
        address
        for vault in wanted.vaults
        for sleeve in vault.sleeves
        if runs.get(address := sleeve_address(vault, sleeve), sleeve.isolation)
        is not sleeve.isolation
    )


def _is_user(subject: str) -> bool:
    return subject.count("/") == len(("users", "name"))


def _listeners(roster: Roster, venue: str) -> list[tuple[str, list[tuple[str, tuple[str, ...]]]]]:
    """Return whom a venue's feed tells of instruments, and of which: its vaults' sleeves."""
    return [
        (f"{vault.user}/{vault.name}", [(sleeve.name, sleeve.symbols) for sleeve in vault.sleeves])
        for vault in roster.vaults
        if vault.venue == venue
    ]


def audit_changes(store: Store, now_ns: int, operator: str, changes: Sequence[Change]) -> None:
    """Note in the audit what is applied."""
    for change in changes:
        store.audit(now_ns, operator, "apply", change.subject, _words(change))


def change_row(change: Change, when: str) -> ChangeView:
    """Return a difference for people; `when` it takes effect."""
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
    later = [change.subject for change in plan.roster if change.subject in plan.later]
    if later:
        parts.append(
            f"stored, and to take effect at the next start, since {plan.why_later}: "
            f"{', '.join(later)} (`bot stop`, then start it again)"
        )
    if len(later) < len(plan.roster):
        parts.append(f"{'other ' if later else ''}vaults and sleeves are as in bot.toml now")
    if plan.limits:
        parts.append("limits and defaults hold now")
    if plan.others:
        names = ", ".join(change.subject for change in plan.others)
        parts.append(f"read by a start only: {names}")
    return "; ".join(parts)
