"""`bot apply` on a bot that trades: sleeves, vaults and limits come, change and go meanwhile."""

from pathlib import Path

import pytest

from tests.whole.processes import Bot, Json, box_toml, closing

VAULT = "/users/alice/vaults/kraken-sim-usdt"
ETH_VAULT = "/users/alice/vaults/kraken-sim-eth"
TRADED_S = 30.0
MORE = """
[[first_run.vaults]]
user = "alice"
venue = "kraken-sim"
asset = "ETH"
tradeable = "1"
"""


def addresses(bot: Bot) -> list[str]:
    """Return the address of every sleeve and vault that `bot vaults` shows."""
    return [
        address
        for vault in bot.ask("vaults")
        for address in (vault["address"], *(f"{s['sleeve']}" for s in vault["sleeves"]))
    ]


def third(text: str) -> str:
    """Return a configuration with one more sleeve, one more vault, and a smaller pool."""
    quiet = text[text.index("[[first_run.vaults.sleeves]]") :]
    quiet = quiet[: quiet.index("[[first_run.vaults.sleeves]]", 10)]
    at = text.index("[[first_run.vaults.sleeves]]")
    added = quiet.replace('"quiet"', '"third"', 1).replace('"500"', '"400"')
    changed = text[:at] + added + text[at:]
    for limit in ("order", "position"):
        table = f"[limits.{limit}_notional_max]\n"
        assert table in changed
        changed = changed.replace(table, f'{table}ETH = "10"\n')
    at = changed.index("[venues.")
    return changed[:at].replace('tradeable = "5000"', 'tradeable = "4000"') + MORE + changed[at:]


def mode_of(bot: Bot, address: str) -> str:
    """Return a vault's mode; "" if there is none."""
    return next((str(v["mode"]) for v in bot.ask("vaults") if v["address"] == address), "")


def test_sleeves_vaults_and_limits_follow_the_file_while_it_trades(tmp_path: Path) -> None:
    shipped = box_toml()
    bot = Bot(tmp_path, shipped)
    file = tmp_path / "bot.toml"
    with closing(bot):
        bot.begin()
        bot.until("traded", lambda status: status["fills"] > 0, TRADED_S)
        assert bot.ask("apply") == []
        file.write_text(third(shipped))
        planned = bot.ask("apply", "--dry-run")
        assert [(row["subject"], row["change"], row["takes_effect"]) for row in planned] == [
            (ETH_VAULT, "added", "now"),
            (VAULT, "changed", "now"),
            (f"{VAULT}/sleeves/third", "added", "now"),
            ("limits.order_notional_max.ETH", "changed", "now"),
            ("limits.position_notional_max.ETH", "changed", "now"),
        ]
        assert mode_of(bot, ETH_VAULT) == ""
        assert "third" not in addresses(bot), "a dry run does nothing"
        code, said = bot.verb("apply")
        assert (code, "are as in bot.toml now" in said) == (0, True), said
        bot.until("third traded", lambda _: _has_filled(bot, "third"), TRADED_S)
        # The new vault is of an account that was compared: it may trade, too.
        bot.until("told", lambda _: mode_of(bot, ETH_VAULT) == "active", TRADED_S)
        assert bot.ask("apply") == [], "there is nothing more to do"
        # A sleeve with money in it is not taken away, and neither is anything else then.
        file.write_text(shipped)
        code, said = bot.verb("apply")
        assert code == 1
        assert "nothing was applied" in said
        assert f"{VAULT}/sleeves/third: it" in said or "are allocated to it" in said
        assert "third" in addresses(bot)
        bot.verb("close", f"{VAULT}/sleeves/third", "--yes")
        _until_applied(bot)
        assert addresses(bot) == [VAULT, "flash", "quiet"]
        assert bot.ask("status")["state"] == "running"
        # What is stored is what the next start builds.
        assert bot.stop() == 0
        bot.begin()
        assert addresses(bot) == [VAULT, "flash", "quiet"]
        code, said = bot.verb("ledger", "check")
        assert code == 0, said
        assert bot.stop() == 0
    audit = (tmp_path / "bot.log").read_text()
    assert "nobody there" not in audit


@pytest.mark.check
def test_what_needs_accounts_waits_for_the_next_start(tmp_path: Path) -> None:
    shipped = box_toml()
    bot = Bot(tmp_path, shipped)
    with closing(bot):
        bot.begin()
        bot.until("trading", lambda status: status["trading"], TRADED_S)
        bob = '[[first_run.users]]\nname = "bob"\n\n'
        vault = (
            '[[first_run.vaults]]\nuser = "bob"\nvenue = "kraken-sim"\nasset = "USDT"\n'
            'tradeable = "100"\n\n'
        )
        text = shipped.replace("[[first_run.users]]", bob + "[[first_run.users]]", 1)
        text = text.replace("[[first_run.vaults]]", vault + "[[first_run.vaults]]", 1)
        text = text.replace('tradeable = "5000"', 'tradeable = "4900"')
        (tmp_path / "bot.toml").write_text(text)
        code, said = bot.verb("apply")
        assert code == 0
        # What has to wait holds up nothing else.
        assert f"now         {VAULT}: changed tradeable 5000 -> 4900" in said
        assert "next start  /users/bob: added" in said
        assert "come or go: /users/bob, /users/bob/vaults/kraken-sim-usdt (`bot stop`" in said
        assert "/users/bob/vaults/kraken-sim-usdt" not in addresses(bot)
        assert bot.stop() == 0
        bot.begin()
        bot.until("bob is there", lambda _: _has_vault(bot, "/users/bob"), TRADED_S)
        bot.until("trading", lambda status: status["mode"] == "active", TRADED_S)
        assert bot.stop() == 0


def _has_vault(bot: Bot, user: str) -> bool:
    return any(address.startswith(user) for address in addresses(bot))


def _has_filled(bot: Bot, sleeve: str) -> bool:
    return any(fill["sleeve"] == sleeve for fill in bot.ask("fills"))


def _until_applied(bot: Bot) -> None:
    """Ask until the sleeve has sold what it had and given its money back."""
    said: Json = ""
    for _ in range(60):
        # Allocations change between trades: not before it has sold.
        bot.verb("allocate", f"{VAULT}/sleeves/third", "0", "--yes")
        code, said = bot.verb("apply")
        if code == 0:
            return
        bot.pass_time(0.2)
    raise AssertionError(f"it was never empty: {said}")
