"""The configuration: reading `bot.toml`, and what the environment overrides of it.

Reading collects every problem, each with its line, key, what was found and what is allowed; nothing
is started then.
"""

import hashlib
import tomllib
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec

from bot.checking import NOTHING, Checker, nearest, path_text
from bot.environment import SWITCH_POSITIONS, Environment
from bot.roster_checks import check_roster
from bot.toml_lines import KeyPath, lines_of, nearest_line
from messages.settings import (
    Asset,
    Defaults,
    MonitorSettings,
    Name,
    RiskSettings,
    Roster,
    Scale,
    TreeSettings,
    VenueSettings,
)
from messages.settings import Environment as Whose

PREFIX = "CANOPY_"
# Our own variables that override no value.
_PLAIN_VARIABLES = (
    "CANOPY_CONFIG",
    "CANOPY_RUNTIME_DIR",
    "CANOPY_KILL_SWITCH",
    "CANOPY_JOURNAL_SOCKET",
)
DATABASE_NAME = "canopy.db"


class LogLevel(Enum):
    """The least severe line that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bot keeps what it must not lose, and how much of what it may."""

    folder: Annotated[str, msgspec.Meta(min_length=1, description="a folder")]
    retention_hours: Annotated[int, msgspec.Meta(ge=1, le=8_760)] = 24
    retention_gb: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 4


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how much of it is kept."""

    level: LogLevel = LogLevel.INFO
    file_mb_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    files_kept: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 10


class ShadowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often a helper replays what the actors did lately, and compares."""

    every_minutes: Annotated[int, msgspec.Meta(ge=0, le=60)] = 10
    """0: never. Up to 10, nothing is missed: snapshots are as far apart, and two are kept."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of `bot.toml`."""

    data: DataSettings
    venues: Annotated[dict[Name, VenueSettings], msgspec.Meta(min_length=1)]
    limits: RiskSettings
    log: LogSettings = LogSettings()
    shadow: ShadowSettings = ShadowSettings()
    live: bool = False
    """Real money may be traded with; `bot start` asks once more."""
    assets: dict[Asset, Scale] = {}
    defaults: Defaults = Defaults()
    first_run: Roster = Roster()
    monitors: MonitorSettings = MonitorSettings()

    @property
    def digest(self) -> str:
        """What identifies this configuration: equal for equal values, whatever the comments."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()

    def tree_settings(self, roster: Roster) -> TreeSettings:
        """Return what the trading tree is built from, with the roster in force."""
        return TreeSettings(
            venues=self.venues,
            limits=self.limits,
            defaults=self.defaults,
            assets=self.assets,
            roster=roster,
            monitors=self.monitors,
        )

    @property
    def live_venues(self) -> list[str]:
        """The venues that trade with real money."""
        return [n for n, each in self.venues.items() if each.environment is Whose.LIVE]

    @property
    def environment(self) -> str:
        """The environments of all venues, joined with `+`."""
        return "+".join(sorted({venue.environment.value for venue in self.venues.values()}))


class ConfigError(Exception):
    """The configuration cannot be used: all that is wrong with it."""

    exit_code = 4

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{source} has {count}; nothing was started:\n{lines}")


def config_file(environment: Environment, named: str | None = None) -> Path:
    """Return the file in force: the named one, the environment's, the user's, the shipped."""
    for choice in (named, environment.get("CANOPY_CONFIG")):
        if choice:
            return environment.expand(choice)
    home = environment.get("XDG_CONFIG_HOME") or str(environment.expand("~/.config"))
    own = Path(home) / "canopy" / "bot.toml"
    return own if own.is_file() else shipped_file()


def shipped_file() -> Path:
    """Return the configuration that came with the installation."""
    return Path(str(resources.files("bot") / "bot.toml"))


def load(path: Path, environment: Environment) -> Config:
    """Read the configuration; raise `ConfigError` with everything that is wrong."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(str(path), ["there is no such file: copy the shipped bot.toml"]) from None
    except OSError as error:
        problem = f"it cannot be read ({error.strerror}): make it readable for this user"
        raise ConfigError(str(path), [problem]) from error
    except UnicodeDecodeError:
        raise ConfigError(str(path), ["it is not UTF-8 text: save it as UTF-8"]) from None
    return parse(text, str(path), environment)


def parse(text: str, source: str, environment: Environment) -> Config:
    """Decode and check the text of a configuration; raise `ConfigError`."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [f"it is not TOML: {error}"]) from error
    overrides, problems = _override(document, environment)
    checker = Checker(frozenset(overrides))
    config = checker.check(document, Config)
    check_roster(checker, document, config if config is not NOTHING else None)
    lines = lines_of(text)
    for problem in sorted(checker.problems, key=lambda p: _rank(p.path, overrides, lines)):
        where = _where(problem.path, overrides, lines)
        problems.append(f"{where}{path_text(problem.path)}: {problem.text}")
    if problems:
        raise ConfigError(source, problems)
    assert isinstance(config, Config), "what has no problem was made"
    return config


def _rank(path: KeyPath, overrides: dict[KeyPath, str], lines: dict[KeyPath, int]) -> int:
    return 0 if path in overrides else nearest_line(lines, path)


def _where(path: KeyPath, overrides: dict[KeyPath, str], lines: dict[KeyPath, int]) -> str:
    if path in overrides:
        return f"{overrides[path]}: "
    line = nearest_line(lines, path)
    return f"line {line}: " if line else ""


# --- the environment's values


def _override(
    document: dict[str, Any], environment: Environment
) -> tuple[dict[KeyPath, str], list[str]]:
    """Put the environment's values into the document; return where they went, and what is wrong."""
    overrides: dict[KeyPath, str] = {}
    problems: list[str] = []
    position = environment.get("CANOPY_KILL_SWITCH")
    if position not in SWITCH_POSITIONS:
        problems.append(f"CANOPY_KILL_SWITCH: found {position!r}; allowed are 1 and 0")
    for name in sorted(environment.variables):
        if not name.startswith(PREFIX) or name in _PLAIN_VARIABLES:
            continue
        if "__" not in name:
            problems.append(
                f"{name}: there is no such variable{nearest(name, list(_PLAIN_VARIABLES))}; "
                "one that overrides a value is CANOPY_<TABLE>__<KEY>"
            )
            continue
        path = _put(document, name, environment.variables[name])
        if path:
            overrides[path] = name
        else:
            problems.append(f"{name}: it overrides no value: bot.toml has no such table")
    return overrides, problems


def _put(document: dict[str, Any], name: str, value: str) -> KeyPath:
    """Set one value; return its path, or () if there is no table for it."""
    parts = name.removeprefix(PREFIX).lower().split("__")
    table: Any = document
    path: KeyPath = ()
    for part in parts[:-1]:
        key = next((k for k in table if k.lower().replace("-", "_") == part), part)
        if not isinstance(table.get(key), dict):
            return ()
        path, table = (*path, key), table[key]
    last = parts[-1]
    key = next((k for k in table if k.lower().replace("-", "_") == last), last)
    table[key] = value
    return (*path, key)


# --- folders and the socket


def data_folder(environment: Environment, named: str | None, configured: str | None = None) -> Path:
    """Return the data folder: what `--data-dir` names, or what the configuration says."""
    if named:
        return environment.expand(named)
    if configured is None:
        configured = load(config_file(environment), environment).data.folder
    return environment.expand(configured)
