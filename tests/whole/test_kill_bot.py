"""Killed at any moment, beside a venue that misbehaves and is killed too: the books still agree."""

import random
from pathlib import Path

import pytest

from tests.whole.processes import Bot, Json, StandingVenue, closing, standing_toml
from tests.whole.two_books import OurBooks, differences, our_books

KINDS = ("start", "life", "life", "order", "order", "order")
START_S_MAX = 1.0
# Lives begin to trade one to two seconds after their start.
LIFE_S_MAX = 2.0
# From the decision to the fill it takes a tenth of a second, with faults a second.
ORDER_S_MAX = 0.4
# Where answers are lost it may take longer until the books are compared, and nothing is ordered.
ORDER_WITHIN_S = 5.0
SETTLE_S = 60.0


def trade_and_be_killed(bot: Bot, venue: StandingVenue, kills: int, seed: int) -> None:
    """Kill the bot `kills` times: while it starts, trades, or has an order on its way."""
    moments = random.Random(seed)  # noqa: S311 - a moment is no secret
    for number in range(kills):
        kind = moments.choice(KINDS)
        bot.start()
        if kind == "start":
            bot.pass_time(moments.uniform(0.0, START_S_MAX))
        else:
            bot.wait_for("the bot runs")
            if kind == "order":
                bot.wait_a_while_for("is pending_submit", ORDER_WITHIN_S)
            bot.pass_time(moments.uniform(0.0, ORDER_S_MAX if kind == "order" else LIFE_S_MAX))
        if number % 5 == 4:
            venue.kill()
            bot.pass_time(moments.uniform(0.0, 0.5))
            if moments.random() < 1 / 2:
                venue.begin()
                bot.pass_time(moments.uniform(0.0, 1.0))
        bot.kill()
        if venue.process is not None and venue.process.poll() is not None:
            venue.begin()


def settle(bot: Bot, venue: StandingVenue) -> Json:
    """End the misbehaviour and the trading; return the venue's books when nothing moves."""
    venue.ask("faults/profile", {"profile": "none"})
    bot.begin()
    bot.until("reconciled", lambda status: status["trading"], SETTLE_S)
    assert bot.verb("pause")[0] == 0
    bot.until("without orders", lambda status: status["orders_open"] == 0, SETTLE_S)
    code, said = bot.verb("ledger", "reconcile")
    assert code == 0, said
    assert bot.verb("ledger", "check")[0] == 0
    bot.until("without orders", lambda status: status["orders_open"] == 0, SETTLE_S)
    assert bot.stop() == 0, bot.said()[-2_000:]
    return venue.ask("books")


def killed(folder: Path, faults: str, kills: int, seed: int) -> tuple[OurBooks, Json]:
    """Return our books and the venue's after all, which must agree."""
    venue = StandingVenue(folder, faults, lag_ms=300)
    with closing(venue):
        venue.begin()
        bot = Bot(folder, standing_toml(venue.port))
        with closing(bot):
            trade_and_be_killed(bot, venue, kills, seed)
            theirs = settle(bot, venue)
        ours = our_books(bot.folder)
    assert differences(ours, theirs) == []
    assert ours.orders
    assert ours.fills
    return ours, theirs


def test_killed_twelve_times_the_books_agree(tmp_path: Path) -> None:
    ours, theirs = killed(tmp_path, "mild", kills=12, seed=1)
    for key in ("orders", "fills"):
        for changed in (theirs[key][1:], theirs[key] + theirs[key][:1]):
            assert differences(ours, theirs | {key: changed}), f"{key} are compared"
    poorer = {"alice": theirs["balances"]["alice"] | {"USDT": "9000"}}
    assert differences(ours, theirs | {"balances": poorer})


@pytest.mark.check
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("faults", ["mild", "nasty"])
def test_killed_often_the_books_agree(tmp_path: Path, faults: str, seed: int) -> None:
    killed(tmp_path, faults, kills=13, seed=seed)
