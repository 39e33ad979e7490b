"""V7: money that comes and goes at the venue reaches the vault, and the books go on agreeing."""

from decimal import Decimal
from pathlib import Path

from tests.whole.processes import Bot, StandingVenue, closing, standing_toml
from tests.whole.two_books import differences, our_books

SETTLE_S = 60.0


def total(bot: Bot) -> Decimal:
    (vault,) = bot.ask("vaults")
    return Decimal(vault["total"])


def move(venue: StandingVenue, what: str, asset: str, amount: str) -> None:
    venue.ask(what, {"account": "alice", "asset": asset, "amount": amount})


def test_deposits_and_withdrawals_are_booked_while_it_trades(tmp_path: Path) -> None:
    venue = StandingVenue(tmp_path, "none", lag_ms=0)
    with closing(venue):
        venue.begin()
        bot = Bot(tmp_path, standing_toml(venue.port))
        with closing(bot):
            bot.begin()
            bot.until("trading", lambda status: status["trading"], SETTLE_S)
            before = total(bot)
            move(venue, "deposit", "USDT", "1234.5")
            move(venue, "withdraw", "USDT", "200.25")
            assert bot.verb("ledger", "reconcile")[0] == 0
            # Meanwhile it trades with at most 750 USDT: a profit or loss of a hundred is no move.
            assert abs(total(bot) - before - Decimal("1034.25")) < 100
            bot.kill()
            move(venue, "deposit", "USDT", "500")
            bot.begin()
            bot.until("reconciled", lambda status: status["trading"], SETTLE_S)
            assert bot.verb("pause")[0] == 0
            bot.until("without orders", lambda status: status["orders_open"] == 0, SETTLE_S)
            code, said = bot.verb("ledger", "reconcile")
            assert code == 0, said
            assert abs(total(bot) - before - Decimal("1534.25")) < 100
            assert bot.verb("ledger", "check")[0] == 0
            assert bot.stop() == 0
        theirs = venue.ask("books")
    ours = our_books(bot.folder)
    assert differences(ours, theirs) == []
    assert -ours.balances["USDT", "external"] == (10_000 + 1_234 + 500) * 10**8 + 10**8 // 2 - (
        20_025 * 10**6
    )
