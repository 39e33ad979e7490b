"""A bot on Binance USD-M, in the box: it trades, pays funding, is killed; its books stay right."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.whole.perpetual_world import (
    SYMBOL,
    PerpetualVenue,
    perpetual_bot_toml,
    perpetual_differences,
    risky_toml,
)
from tests.whole.processes import Bot, Json, closing
from tests.whole.two_books import our_books

WAIT_S = 60.0

pytestmark = pytest.mark.check


def sleeves(bot: Bot) -> dict[str, Json]:
    (vault,) = bot.ask("vaults")
    return {sleeve["sleeve"]: sleeve for sleeve in vault["sleeves"]}


def funded(bot: Bot) -> Decimal:
    (vault,) = bot.ask("vaults")
    return Decimal(vault["funding"])


def in_position(bot: Bot) -> bool:
    return any(Decimal(sleeve["position"]) for sleeve in sleeves(bot).values())


def pause_and_compare(bot: Bot, venue: PerpetualVenue) -> None:
    """Let it leave its positions, compare on its own word, stop it, and compare the two books."""
    assert bot.verb("pause")[0] == 0
    bot.until("flat", lambda s: s["orders_open"] == 0 and not in_position(bot), WAIT_S)
    code, said = bot.verb("ledger", "reconcile")
    assert code == 0, said
    assert bot.verb("ledger", "check")[0] == 0
    assert bot.stop() == 0, bot.said()
    assert perpetual_differences(our_books(bot.folder), venue.ask("books")) == []


def test_it_trades_pays_funding_is_killed_and_its_books_equal_the_venues(tmp_path: Path) -> None:
    venue = PerpetualVenue(tmp_path, "nasty")
    with closing(venue):
        venue.begin()
        bot = Bot(tmp_path, perpetual_bot_toml(venue.port))
        with closing(bot):
            bot.begin()
            bot.until("paid funding", lambda s: funded(bot) != 0, WAIT_S)
            bot.until(
                "swept", lambda s: Decimal(sleeves(bot)["flash"]["swept"]) > 0 or s["fills"] > 60,
                WAIT_S,
            )  # fmt: skip
            bot.until("in a position", lambda s: in_position(bot), WAIT_S)
            bot.kill()
            venue.pass_time(1)
            bot.begin()
            bot.until("trading again", lambda s: s["trading"], WAIT_S)
            pause_and_compare(bot, venue)


def test_a_position_closed_by_hand_while_it_is_down_is_its_sleeves(tmp_path: Path) -> None:
    venue = PerpetualVenue(tmp_path)
    with closing(venue):
        venue.begin()
        bot = Bot(tmp_path, perpetual_bot_toml(venue.port))
        with closing(bot):
            bot.begin()
            # Not killed in the middle of an order: what it had is then closed as a whole.
            bot.until("in a position", lambda s: in_position(bot), WAIT_S)
            bot.kill()
            settled = venue.settlements()
            (held,) = venue.ask("books")["positions"]
            for _ in range(30):
                venue.pass_time(0.5)
                if venue.settlements() > settled:
                    break
            order = {"account": "alice", "symbol": SYMBOL, "side": "sell"}
            venue.ask("order", {**order, "quantity": held["quantity"]})
            bot.begin()
            bot.until("trading again", lambda s: s["trading"], WAIT_S)
            pause_and_compare(bot, venue)
        ours = our_books(bot.folder)
    assert ours.balances["USDT", "funding"] != 0
    assert ours.balances.get((SYMBOL, "suspense"), 0) == 0


def test_a_liquidation_is_adopted_and_pages(tmp_path: Path) -> None:
    venue = PerpetualVenue(tmp_path, risky=True)
    with closing(venue):
        venue.begin()
        bot = Bot(tmp_path, risky_toml(perpetual_bot_toml(venue.port)))
        with closing(bot):
            bot.begin()
            bot.until("liquidated", lambda _: "liquidated by the venue" in bot.said(), WAIT_S)
            assert any(order["by_hand"] for order in venue.ask("books")["orders"])
            pause_and_compare(bot, venue)
    assert "its margin did not carry it" in bot.said()
