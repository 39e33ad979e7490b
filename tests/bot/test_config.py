"""Reading `bot.toml`: what is right, and every way of being wrong at once."""

from pathlib import Path

import pytest

from bot.config import (
    Config,
    ConfigError,
    config_file,
    data_folder,
    load,
    parse,
    shipped_file,
)
from bot.environment import Environment, runtime_folder, socket_path
from messages.settings import Protocol
from tests.tidy.sources import ROOT

SHIPPED = shipped_file().read_text()


def environment(**variables: str) -> Environment:
    return Environment({"HOME": "/home/ann", **variables}, uid=1000)


def problems(text: str, **variables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "bot.toml", environment(**variables))
    return caught.value.problems


def changed(*changes: tuple[str, str]) -> str:
    text = SHIPPED
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def line_of(text: str, part: str) -> int:
    return next(at for at, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_shipped_configuration_is_right_and_lies_at_the_root_too() -> None:
    config = load(shipped_file(), environment())
    assert isinstance(config, Config)
    assert config.environment == "sim"
    assert [vault.name for vault in config.first_run.vaults] == ["kraken-sim-usdt"]
    assert [sleeve.name for sleeve in config.first_run.vaults[0].sleeves] == ["quiet", "flash"]
    assert (ROOT / "bot.toml").read_text() == SHIPPED


def test_every_problem_is_reported_at_once_with_line_key_found_and_allowed() -> None:
    text = changed(
        ('level = "info"', 'levle = "info"'),
        ("files_kept = 10", 'files_kept = "ten"'),
        ('protocol = "kraken"', 'protocol = "krakn"'),
        ("seed = 1", "seed = -4"),
        ('USDT = "10000"', "USDT = 10000"),
        ('asset = "USDT"', ""),
        ('style = "flash"', 'style = "flashy"'),
    )
    assert problems(text) == [
        (
            f"line {line_of(text, 'levle')}: log.levle: there is no such key; did you mean level? "
            "(allowed here: level, file_mb_max, files_kept)"
        ),
        (
            f'line {line_of(text, "files_kept")}: log.files_kept: was "ten", allowed is a whole '
            "number from 1 to 1000"
        ),
        (
            f'line {line_of(text, "krakn")}: venues.kraken-sim.protocol: was "krakn", allowed is '
            f"one of {', '.join(each.value for each in Protocol)}; did you mean kraken?"
        ),
        (
            f"line {line_of(text, 'seed = -4')}: venues.kraken-sim.box.seed: was -4, allowed is a "
            "whole number from 0 to 9223372036854775807"
        ),
        (
            f"line {line_of(text, 'USDT = 10000')}: venues.kraken-sim.box.balances.USDT: was 10000"
            ', allowed is a decimal in quotes, like "250.50"'
        ),
        (
            f"line {line_of(text, '[[first_run.vaults]]')}: first_run.vaults[0].asset: is missing, "
            'needed is an asset like "USDT"'
        ),
        (
            f'line {line_of(text, "flashy")}: first_run.vaults[0].sleeves[1].style: was "flashy", '
            "allowed is one of quiet, flash; did you mean flash?"
        ),
    ]


def test_what_does_not_fit_together_is_reported_at_once() -> None:
    text = changed(
        ('user = "alice"', 'user = "alicia"'),
        ('venue = "kraken-sim"', 'venue = "kraken"'),
        ('tradeable = "5000"', 'tradeable = "700"'),
        ('[limits.order_notional_max]\nUSDT = "1000"', "[limits.order_notional_max]"),
        ('name = "flash"', 'name = "quiet"'),
        ('tick = "0.01"', 'tick = "0"'),
    )
    assert [problem.partition(": ")[2] for problem in problems(text)] == [
        "venues.kraken-sim.box.markets[0].tick: was zero, allowed is more",
        (
            "limits.order_notional_max.USDT: is missing: the vaults in USDT need it, like USDT = "
            '"1000"'
        ),
        (
            'first_run.vaults[0].user: was "alicia", allowed is one of the users (alice); did you '
            "mean alice?"
        ),
        (
            'first_run.vaults[0].venue: was "kraken", allowed is one of the venues (kraken-sim); '
            "did you mean kraken-sim?"
        ),
        "first_run.vaults[0].tradeable: the sleeves are allocated 750, more than the tradeable 700",
        "first_run.vaults[0].sleeves[1]: quiet is there twice: rename or remove one",
    ]


def test_symbols_must_be_traded_and_quoted_in_the_vaults_asset() -> None:
    head, _, tail = SHIPPED.partition("[[first_run.vaults.sleeves]]")
    text = head + "[[first_run.vaults.sleeves]]" + tail.replace("ETH/USDT", "ETH/BTC", 1)
    (problem,) = problems(text)
    assert problem.endswith('"ETH/BTC" is not quoted in the vault\'s asset USDT')


def test_a_venue_without_a_box_needs_addresses_and_one_with_a_box_has_none() -> None:
    head, _, tail = SHIPPED.partition("[venues.kraken-sim.box]")
    without = head + tail[tail.index("# --- Assets") :]
    assert [problem.rpartition("sim.")[2].partition(":")[0] for problem in problems(without)] == [
        "rest",
        "websocket_public",
        "websocket_private",
    ]
    added = changed(('protocol = "kraken"', 'protocol = "kraken"\nrest = "http://127.0.0.1:1"'))
    (problem,) = problems(added)
    assert "remove it: the embedded box has an address of its own" in problem


@pytest.mark.parametrize(
    "proxy",
    ["socks5://user:secret@10.0.0.1:1080", "10.0.0.1:1080", "socks4://10.0.0.1:1080"],
)
def test_a_proxy_is_an_address_without_a_password(proxy: str) -> None:
    head, _, tail = SHIPPED.partition("[venues.kraken-sim.box]")
    addresses = {
        "rest": "http://127.0.0.1:1",
        "websocket_public": "ws://127.0.0.1:1/v2",
        "websocket_private": "ws://127.0.0.1:1/v2",
    }
    lines = "".join(f'{key} = "{value}"\n' for key, value in addresses.items())
    rest = tail[tail.index("# --- Assets") :]
    parse(f'{head}{lines}proxy = "socks5://10.0.0.1:1080"\n{rest}', "bot.toml", environment())
    (problem,) = problems(f'{head}{lines}proxy = "{proxy}"\n{rest}')
    assert "allowed is a proxy like socks5://HOST:PORT or http://HOST:PORT" in problem


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("data = ", "it is not TOML: "),
        ("", "data: is missing, needed is a table"),
        ("data = 3", "data: was 3, allowed is a table"),
        ("venues = 3", "venues: was 3, allowed is a table"),
        ("[[data]]", "allowed is a table"),
        ("first_run = 3", "first_run: was 3, allowed is a table"),
    ],
)
def test_what_is_not_even_a_configuration(text: str, part: str) -> None:
    assert any(part in problem for problem in problems(text))


@pytest.mark.parametrize("value", ["3", "[1]", "{users = 3}", "{users = [3], vaults = [4]}"])
def test_a_first_run_that_is_none_is_a_problem_and_no_crash(value: str) -> None:
    head = SHIPPED[: SHIPPED.index("[[first_run.users]]")]
    found = problems(f"first_run = {value}\n{head}")
    assert found
    assert all(problem.startswith("line 1: first_run") for problem in found)


def test_the_environment_overrides_values_and_is_checked_like_them() -> None:
    config = parse(
        SHIPPED,
        "bot.toml",
        environment(CANOPY_LOG__LEVEL="debug", CANOPY_VENUES__KRAKEN_SIM__BOX__SEED="7"),
    )
    assert config.log.level.value == "debug"
    box = config.venues["kraken-sim"].box
    assert box is not None
    assert box.seed == 7
    assert problems(
        SHIPPED, CANOPY_LOG__LEVEL="loud", CANOPY_CONFI="x", CANOPY_NOWHERE__AT__ALL="1"
    ) == [
        (
            "CANOPY_CONFI: there is no such variable; did you mean CANOPY_CONFIG?; one that "
            "overrides a value is CANOPY_<TABLE>__<KEY>"
        ),
        "CANOPY_NOWHERE__AT__ALL: it overrides no value: bot.toml has no such table",
        'CANOPY_LOG__LEVEL: log.level: was "loud", allowed is one of debug, info, warning, error',
    ]


def test_the_digest_is_of_values_and_not_of_comments() -> None:
    config = parse(SHIPPED, "x", environment())
    assert parse(f"# more\n{SHIPPED}", "y", environment()).digest == config.digest
    other = changed(("files_kept = 10", "files_kept = 11"))
    assert parse(other, "x", environment()).digest != config.digest


def test_which_file_is_in_force(tmp_path: Path) -> None:
    own = tmp_path / "canopy" / "bot.toml"
    at = environment(XDG_CONFIG_HOME=str(tmp_path))
    assert config_file(at) == shipped_file()
    own.parent.mkdir()
    own.write_text("")
    assert config_file(at) == own
    named = environment(XDG_CONFIG_HOME=str(tmp_path), CANOPY_CONFIG="/etc/canopy.toml")
    assert config_file(named) == Path("/etc/canopy.toml")
    assert config_file(named, "~/mine.toml") == Path("/home/ann/mine.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_file_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bot.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"no such file|not UTF-8"):
        load(path, environment())


def test_where_data_and_socket_are(tmp_path: Path) -> None:
    assert data_folder(environment(), None) == Path("/home/ann/.local/share/canopy")
    assert data_folder(environment(), "~/d") == Path("/home/ann/d")
    at = environment(XDG_RUNTIME_DIR=str(tmp_path))
    assert runtime_folder(at) == tmp_path
    one, two = (socket_path(at, Path(folder)) for folder in ("/a", "/b"))
    assert one.parent == tmp_path
    assert one != two
    assert len(str(one.name)) < 40
    assert runtime_folder(environment(XDG_RUNTIME_DIR="/nowhere")) == Path("/run/user/1000") or (
        runtime_folder(environment(XDG_RUNTIME_DIR="/nowhere")).name == "canopy-1000"
    )


@pytest.mark.parametrize(("text", "engaged"), [("", False), ("0", False), ("1", True)])
def test_the_environment_may_engage_the_kill_switch(text: str, engaged: bool) -> None:
    variables = environment(CANOPY_KILL_SWITCH=text)
    assert variables.kill_switch is engaged
    parse(SHIPPED, "bot.toml", variables)


def test_an_odd_kill_switch_engages_and_is_refused() -> None:
    variables = environment(CANOPY_KILL_SWITCH="off")
    assert variables.kill_switch
    with pytest.raises(ConfigError, match="CANOPY_KILL_SWITCH: found 'off'; allowed are 1 and 0"):
        parse(SHIPPED, "bot.toml", variables)


def live(*, switch: bool = True, name: str = "kraken-live", environment_: str = "live") -> str:
    """Return the shipped configuration with a real venue beside the box."""
    venue = f"""
[venues.{name}]
protocol = "kraken"
environment = "{environment_}"
symbols = ["ETH/USDT"]

[venues.kraken-sim]"""
    text = changed(("\n[venues.kraken-sim]", venue))
    return "live = true\n" + text if switch else text


def test_live_needs_a_switch_in_the_configuration() -> None:
    (problem,) = problems(live(switch=False))
    assert "live: is missing: kraken-live would trade with real money" in problem
    config = parse(live(), "bot.toml", environment())
    assert config.live_venues == ["kraken-live"]
    assert config.environment == "live+sim"


def test_a_venue_says_its_environment_in_its_name() -> None:
    (problem,) = problems(live(name="kraken"))
    assert "venues.kraken.environment" in problem
    assert "call it [venues.kraken-live]" in problem


def test_an_environment_that_the_venue_does_not_have_is_refused_with_those_it_has() -> None:
    (problem,) = problems(live(name="kraken-testnet", environment_="testnet"))
    assert "which kraken does not have; it has live, sim in a box, and paper" in problem


def test_the_name_of_what_is_traded_by_hand_is_taken() -> None:
    (problem,) = problems(changed(('name = "quiet"', 'name = "manual"')))
    assert "is what is traded by hand" in problem


def test_a_box_is_a_simulation() -> None:
    text = "live = true\n" + changed(('environment = "sim"', 'environment = "live"'))
    found = problems(text)
    assert any("a box is a simulation" in problem for problem in found)


def test_perpetuals_are_of_a_venue_of_perpetuals_and_only_they_are_sold_short() -> None:
    perpetual = SHIPPED.replace("ETH/USDT", "ETH/USDT:USDT")
    right = perpetual.replace('protocol = "kraken"', 'protocol = "binanceusdm"')
    assert parse(right, "bot.toml", environment()).venues["kraken-sim"].leverage == 1
    (problem,) = problems(perpetual)
    assert problem.endswith('"ETH/USDT:USDT": kraken has spot pairs only')
    (problem,) = problems(changed(('protocol = "kraken"', 'protocol = "binanceusdm"')))
    wanted = '"ETH/USDT": binanceusdm has perpetuals, like "ETH/USDT:USDT" only'
    assert problem.endswith(wanted)
    (problem,) = problems(changed(('style = "flash"', 'style = "flash"\ndirection = "short"')))
    assert problem.endswith('was "short": only perpetuals can be sold short')
