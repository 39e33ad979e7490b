"""The daemon: from a configuration to a running tree, and back to an exit code."""

import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import trio
from msgspec.structs import replace

from actors.execution.keys import MissingKeyError
from actors.liveness import PULSE_TOPIC, Liveness
from bot import logs
from bot.acts import RISK
from bot.answers import DaemonAnswers
from bot.applying import Applier, Running
from bot.config import Config
from bot.environment import Environment, pointer_path, socket_path
from bot.errors import CONFIGURATION, DATA_REFUSED, ERROR, INVARIANT, OK
from bot.notify import Notifier, monotonic_us
from bot.origin import check_origin
from bot.roster import apply_first_run
from bot.shadowing import Shadowing
from bot.start_checks import start_problems
from bot.tuning import settle, tune
from bot.vitals import TreeVitals, summary
from messages.money import Acknowledged, KillSwitch, VaultChecked
from messages.settings import Roster, TreeSettings
from state.ballast import BALLAST_BYTES
from state.errors import DatabaseDamagedError, DataFolderError, StateError
from state.port import store_child
from state.retention import Keep
from state.store import Store
from supervisor.clock import Clock, ClockBehindError, ProcessClock, wall_ns
from supervisor.control import ControlPort, Identity
from supervisor.journal import RUNTIME
from supervisor.spec import (
    NORMAL,
    SHUTDOWN,
    ChildSpec,
    ExitReason,
    SpecError,
    SupervisorSpec,
    worst,
)
from supervisor.system import System
from supervisor.threads import threads

logger = logging.getLogger("daemon")

# The rest of the database is checked once the start's own work is done.
CHECK_AFTER_S = 20.0
SLEW_EVERY_S = 10.0
GIGABYTE = 1_000_000_000
# An account that cannot be compared holds up its own sleeves only: after this systemd hears that
# the bot is ready all the same, and which account is not.
READY_WAIT_S = 60.0
# Children are given seconds each, one after the other; a stop that takes longer hangs.
STOP_S = 180.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Assemble = Callable[[TreeSettings, Path, Clock, tuple[ChildSpec, ...]], SupervisorSpec]
"""Builds the tree: settings, data folder, clock, and the children that root starts first."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `bot start` was told beside the configuration."""

    folder: Path
    version: str
    assemble: Assemble
    seed: int | None = None
    for_s: float | None = None
    reload: Callable[[], Config] | None = None
    """Reads the configuration again, as it was read; None: it cannot be."""


class StartRefusedError(Exception):
    """The process may not run like this."""

    exit_code = ERROR


class WrongSettingsError(StartRefusedError):
    """A part would not work with what it is configured with."""

    exit_code = CONFIGURATION


class BotControlPort(ControlPort):
    """The control port of a trading tree: acts are acknowledged to it."""

    commands = (Acknowledged, VaultChecked)


def run(config: Config, options: Options, environment: Environment) -> int:
    """Run the bot until it is stopped; return the exit code. Errors are logged, none is raised."""
    try:
        _check_process()
        check_origin()
        _check_parts(config)
        _make_folder(options.folder)
        journal = environment.journal_socket(sys.stdout)
        memory = logs.set_up(config.log, config.environment, wall_ns, sys.stdout, journal)
    except (StartRefusedError, DataFolderError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    tune()
    # A watchdog ends us with SIGABRT: then it is to be seen where every thread was.
    faulthandler.enable()
    notifier = Notifier(environment)
    notifier.begin("compiling the kernels of the embedded exchange")
    if any(venue.box is not None for venue in config.venues.values()):
        from venue.kernels import warm

        # Nothing compiles once the tree runs: a handler would stand still for seconds.
        warm()
    try:
        return trio.run(Daemon(config, options, environment, memory, notifier).main)
    finally:
        notifier.close()
        logs.drop_handlers()


class Daemon:
    """One run of the bot."""

    def __init__(
        self,
        config: Config,
        options: Options,
        environment: Environment,
        memory: logs.Memory,
        notifier: Notifier,
    ) -> None:
        self._config = config
        self._options = options
        self._environment = environment
        self._memory = memory
        self._notifier = notifier
        self._verdict = OK
        """What the checks that go on while the bot runs have found."""

    async def main(self) -> int:
        """Open the store, build the tree, run it to its end; return the exit code."""
        self._notifier.begin("opening the database")
        try:
            store = Store.open(self._options.folder, keep=_keep(self._config))
        except StateError as error:
            return _failed(error)
        try:
            logs.add_file(self._config.log, self._options.folder, self._config.environment)
            clock = ProcessClock(store.newest_ns())
            self._notifier.begin("restoring every actor")
            system, answers = self._build(store, clock)
        except (ClockBehindError, SpecError, MissingKeyError, OSError) as error:
            await store.aclose()
            code = _failed(error)
            return CONFIGURATION if isinstance(error, MissingKeyError) else code
        reason = await self._run(system, answers, store)
        await answers.aclose()
        await store.aclose()
        return self._verdict or exit_code_of(reason)

    def _build(self, store: Store, clock: ProcessClock) -> tuple[System, DaemonAnswers]:
        config = seeded(self._config, self._options.seed)
        roster, is_first = apply_first_run(store, config.first_run, clock.now_ns())
        if is_first:
            logger.info("first run: %d users, %d vaults", len(roster.users), len(roster.vaults))
        identity = Identity(
            version=self._options.version,
            boot_id=f"{store.lineage.hex()[:8]}-{store.boot}",
            pid=os.getpid(),
            started_ns=clock.now_ns(),
            config_hash=config.digest,
            environment=config.environment,
        )
        answers = DaemonAnswers(identity, store, self._memory)
        store.on_degraded(partial(_tell_of_need, self._options.folder))
        path = socket_path(self._environment, self._options.folder)
        make_private_folder(path.parent)
        pointer = pointer_path(self._options.folder)
        vitals = self._vitals = TreeVitals(self._notifier, answers.status)
        front = (
            store_child(store),
            ChildSpec(name="control", start=lambda: BotControlPort(path, pointer, answers)),
            ChildSpec(
                name="liveness",
                start=lambda: Liveness(vitals, vitals.every_s, vitals.every_s),
                topics=(PULSE_TOPIC,),
            ),
        )

        def assemble(config: Config, roster: Roster) -> SupervisorSpec:
            settings = config.tree_settings(roster)
            return self._options.assemble(settings, self._options.folder, clock, front)

        system = System(assemble(config, roster), store, clock)
        running = Running(config=config, roster=roster, reload=self._reload, assemble=assemble)
        applier = self._applier = Applier(running, system, store, answers.board)
        answers.attach(system, applier)
        answers.shadow = Shadowing(self._options.folder, config.shadow.every_minutes)
        vitals.attach(system)
        logs.name_incarnations(system.incarnation_of)
        if self._environment.kill_switch:
            _engage(system, store, clock.now_ns())
        self._clock = clock
        return system, answers

    def _reload(self) -> Config:
        """Read the configuration again. Raises `ConfigError`."""
        reload = self._options.reload
        return seeded(reload() if reload is not None else self._config, self._options.seed)

    async def _run(self, system: System, answers: DaemonAnswers, store: Store) -> ExitReason:
        opened = trio.Event()

        def on_open() -> None:
            answers.opened()
            opened.set()

        async with trio.open_nursery() as nursery:
            await nursery.start(self._heed_signals, answers)
            nursery.start_soon(self._see_off, answers)
            nursery.start_soon(self._accompany, opened, answers, store, system)
            with system.sampler.installed():
                reason = await system.run(on_open, partial(self._leave, answers, store))
            nursery.cancel_scope.cancel()
        return reason

    async def _leave(
        self, answers: DaemonAnswers, store: Store, reason: ExitReason, left: list[str]
    ) -> None:
        """End the process beside tasks that cannot be ended: nothing that counts is in them."""
        await answers.aclose()
        await store.aclose()
        code = self._verdict or exit_code_of(reason)
        logger.error("%s could not be ended: the process ends all the same", ", ".join(left))
        self._notifier.close()
        logs.drop_handlers()
        os._exit(code)

    async def _accompany(
        self, opened: trio.Event, answers: DaemonAnswers, store: Store, system: System
    ) -> None:
        """Do what a running bot needs beside its tree: news to systemd, the clock, the checks."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._get_ready, opened, answers, system)
            await opened.wait()
            logger.info("the bot runs: `bot status --data-dir %s`", self._options.folder)
            nursery.start_soon(self._slew)
            nursery.start_soon(self._check_database, answers, store)
            if answers.shadow is not None:
                nursery.start_soon(answers.shadow.run, system)
            if self._options.for_s is not None:
                await trio.sleep(self._options.for_s)
                logger.info("stopping: the %g s asked for are over", self._options.for_s)
                answers.stop()

    async def _get_ready(self, opened: trio.Event, answers: DaemonAnswers, system: System) -> None:
        """Say READY once all is restored and every account was compared, or cannot be soon."""

        def step() -> str:
            if not opened.is_set():
                return "restoring every actor"
            return f"waiting until these have compared their books: {', '.join(system.unsettled())}"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._notifier.keep_extending, step)
            await opened.wait()
            self._notifier.tell(f"STATUS={step()}")
            with trio.move_on_after(READY_WAIT_S):
                while system.unsettled():
                    await system.timers.settles()
            nursery.cancel_scope.cancel()
        missing = system.unsettled()
        if missing:
            logger.warning(
                "not compared within %g s, so their sleeves wait: %s",
                READY_WAIT_S, ", ".join(missing),
            )  # fmt: skip
        settle()
        self._vitals.is_ready = True
        self._notifier.tell("READY=1", f"STATUS={summary(answers.status())}")

    async def _see_off(self, answers: DaemonAnswers) -> None:
        await answers.stopping.wait()
        self._vitals.is_stopping = True
        self._notifier.tell("STOPPING=1")
        with trio.move_on_after(STOP_S):
            await self._notifier.keep_extending(lambda: "stopping: every actor writes a snapshot")

    async def _hang_up(self) -> None:
        logger.info("SIGHUP: reading the configuration again")
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}")
        for line in await self._applier.hang_up():
            logger.warning("not reloaded: %s", line)
        if self._vitals.is_ready:
            self._notifier.tell("READY=1")

    async def _slew(self) -> None:
        while True:
            await trio.sleep(SLEW_EVERY_S)
            self._clock.slew()

    async def _check_database(self, answers: DaemonAnswers, store: Store) -> None:
        await trio.sleep(CHECK_AFTER_S)
        try:
            await threads().run(store.database.check_all)
        except DatabaseDamagedError as error:
            self._verdict = _failed(error)
            answers.stop()

    async def _heed_signals(
        self,
        answers: DaemonAnswers,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with trio.open_signal_receiver(*SIGNALS) as received:
            task_status.started()
            stops = 0
            async for number in received:
                if number == signal.SIGHUP:
                    await self._hang_up()
                    continue
                stops += 1
                if stops > 1:
                    logger.warning("stopping at once; what was acknowledged is safe")
                    logs.drop_handlers()
                    os._exit(ERROR)
                logger.info("%s: stopping in good order", signal.Signals(number).name)
                answers.stop()


def _engage(system: System, store: Store, now_ns: int) -> None:
    """Engage the kill switch before anything runs: lines stay closed until risk has told them."""
    reason = "CANOPY_KILL_SWITCH is set"
    command = KillSwitch(engaged=True, operator="environment", reason=reason)
    system.router.post(RUNTIME, RISK, command)
    store.audit(now_ns, "environment", "killswitch", RISK, f"engage: {reason}")
    logger.warning("the kill switch is engaged: %s; `bot kill-switch release` ends it", reason)


def seeded(config: Config, seed: int | None) -> Config:
    """Return `config` with another seed for every embedded box."""
    if seed is None:
        return config
    venues = {
        name: replace(venue, box=replace(venue.box, seed=seed)) if venue.box else venue
        for name, venue in config.venues.items()
    }
    return replace(config, venues=venues)


def exit_code_of(reason: ExitReason) -> int:
    """Return the process's exit code for the way the tree ended, and log why if it is not 0."""
    if reason in (NORMAL, SHUTDOWN):
        return OK
    logger.error("the bot ended: %s", reason)
    error = worst(reason.error) if reason.error is not None else None
    if isinstance(error, AssertionError):
        return INVARIANT
    return int(getattr(error, "exit_code", ERROR))


def make_private_folder(folder: Path) -> None:
    """Make the folder of the socket, or check that it is ours: others could listen for us there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid not in (os.getuid(), 0):
        raise PermissionError(
            f"{folder} belongs to user {found.st_uid}: set CANOPY_RUNTIME_DIR to a folder of yours"
        )


def _tell_of_need(folder: Path, reason: str) -> None:
    """Log it here: an alert would need the journal that is in need."""
    if reason:
        logger.warning(
            "the disk does not take the journal (%s): no entries until it does; repair the disk, "
            "or have %d MB free beside %s", reason, 2 * BALLAST_BYTES // 1_000_000, folder,
        )  # fmt: skip
    else:
        logger.warning("the journal is written again: entries are on")


def _failed(error: Exception) -> int:
    logger.error("%s", error)
    if isinstance(error, ClockBehindError):
        return DATA_REFUSED
    return int(getattr(error, "exit_code", ERROR))


def _keep(config: Config) -> Keep:
    return Keep(hours=config.data.retention_hours, stream_bytes=config.data.retention_gb * GIGABYTE)


def _check_process() -> None:
    if not __debug__:
        raise StartRefusedError(
            "Canopy does not run under python -O: its assertions guard money. Start it without -O "
            "and without PYTHONOPTIMIZE"
        )


def _check_parts(config: Config) -> None:
    problems = start_problems(config.venues, config.first_run)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise WrongSettingsError(f"the configuration cannot work:\n{lines}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError(folder, error.strerror or str(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataFolderError(folder, "it is not writable")
