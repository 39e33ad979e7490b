"""Reconciliation: agreement to the last unit, differences that count, nothing corrected."""

from msgspec.structs import replace

from actors.execution.reconcile import Reconcile
from messages.account import (
    AccountFee,
    AccountRead,
    AccountSeen,
    FeesTold,
    OrdersStand,
    VenueFunding,
    VenueTransfer,
)
from messages.base import Message
from messages.money import (
    AccountMode,
    Acknowledged,
    Alert,
    BooksReported,
    FundingSettled,
    FundsMoved,
    Mode,
    ReadAccount,
    Reconciled,
    ReconcileNow,
    ReportBalances,
    Severity,
    VenueBalance,
)
from messages.runtime import Booted, Settled
from supervisor.probe import Outcome, Probe, Published, Sent
from tests.actors.trading import (
    ACCOUNT,
    ALERTS,
    LEDGER,
    LINE,
    ORDERS,
    RECONCILE,
    RISK,
    SECOND_NS,
    SLEEVE,
    START_NS,
    fill,
    rows,
    sent_to,
    venue_order,
)

PERPETUAL = "ETH/USDT:USDT"


def only(messages: list[Message], kind: type[Message]) -> list[Message]:
    return [message for message in messages if isinstance(message, kind)]


class Account:
    """Answers as line, orders and ledger would; `venue` and `books` are what they hold."""

    def __init__(self) -> None:
        self.probe = Probe(Reconcile(), RECONCILE, now_ns=START_NS)
        self.venue = {"USDT": 500_000_000, "ETH": 7}
        self.books = {"USDT": 0}
        self.transfers: tuple[VenueTransfer, ...] = ()
        self.funding: tuple[VenueFunding, ...] = ()
        self.unsettled: tuple[str, ...] = ()
        self.newest_fill_ns = 0
        self.fees: tuple[AccountFee, ...] = ()
        self.told: list[FeesTold] = []
        self.settled: list[Message] = []
        self.funds: list[FundsMoved] = []
        self.outcomes: list[Outcome] = self.handle(ACCOUNT)

    def handle(self, message: Message) -> list[Outcome]:
        outcomes = self.probe.handle(message)
        self.told += [each for each in sent_to(outcomes, LEDGER) if isinstance(each, FeesTold)]
        for moved in only(sent_to(outcomes, LEDGER), FundsMoved):
            assert isinstance(moved, FundsMoved)
            self.funds.append(moved)
            held = self.books.get(moved.asset, 0)
            self.books[moved.asset] = held + moved.amount_minor
        return outcomes

    def read(self, question: ReadAccount) -> list[Outcome]:
        """Let the line answer."""
        balances = tuple(
            VenueBalance(
                asset=asset,
                total_minor=total,
                free_minor=total,
                scale=4 if asset == PERPETUAL else -1,
            )
            for asset, total in self.venue.items()
        )
        reading = AccountRead(
            request_id=question.request_id,
            complete=True,
            balances=balances,
            transfers=self.transfers,
            funding=self.funding,
            fees=self.fees,
            read_ns=self.probe.now_ns,
        )
        return self.handle(reading)

    def answer(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Answer the round that `outcomes` began to its end; return the effects of its end."""
        (question,) = only(sent_to(outcomes, LINE), ReadAccount)
        assert isinstance(question, ReadAccount)
        (seen,) = only(sent_to(self.read(question), ORDERS), AccountSeen)
        assert isinstance(seen, AccountSeen)
        stand = OrdersStand(
            request_id=seen.request_id,
            unsettled=self.unsettled,
            newest_fill_ns=self.newest_fill_ns,
        )
        told = sent_to(self.handle(stand), LEDGER)
        self.settled = only(told, FundingSettled)
        (report,) = only(told, ReportBalances)
        assert isinstance(report, ReportBalances)
        assert told.index(report) == len(told) - 1, "it is asked when all has been told"
        return self.handle(
            BooksReported(
                request_id=report.request_id,
                vault="kraken-sim-usdt",
                totals_minor=dict(self.books),
            )
        )

    def read_unclear(self) -> None:
        """Answer the first reading with what may lie in the balances already, or not yet."""
        (question,) = only(sent_to(self.outcomes, LINE), ReadAccount)
        assert isinstance(question, ReadAccount)
        assert not sent_to(self.read(question), ORDERS), "nothing is opened by it"

    def round(self) -> list[Outcome]:
        """Run the next scheduled round to its end."""
        return self.answer(self.probe.fire("round"))

    def modes(self, outcomes: list[Outcome]) -> list[Mode]:
        return [m.mode for m in sent_to(outcomes, RISK) if isinstance(m, AccountMode)]


def test_money_that_comes_in_during_the_first_reading_is_in_the_opening_balance_once() -> None:
    """The balances are read before the transfers: which of them hold it, only time tells."""
    for held_it in (False, True):
        account = Account()
        deposit = VenueTransfer(asset="USDT", amount_minor=50, reference="d1", at_ns=START_NS)
        account.transfers = (deposit,)
        account.venue["USDT"] += 50 if held_it else 0
        account.read_unclear()
        account.venue["USDT"] += 0 if held_it else 50
        account.probe.now_ns += 2 * SECOND_NS
        account.round()
        assert [moved.amount_minor for moved in account.funds] == [500_000_050]
        assert account.books["USDT"] == account.venue["USDT"]


def opened() -> Account:
    account = Account()
    account.answer(account.outcomes)
    return account


def test_the_first_reading_is_the_first_deposit_and_opens_the_account() -> None:
    account = Account()
    assert account.modes(account.outcomes) == [Mode.EXITS_ONLY]
    outcomes = account.answer(account.outcomes)
    assert account.funds == [
        FundsMoved(
            asset="USDT",
            amount_minor=500_000_000,
            reference="opening:alice@kraken-sim:USDT",
            at_ns=START_NS,
        )
    ]
    assert account.modes(outcomes) == [Mode.ACTIVE]
    for address in (LEDGER, SLEEVE):
        assert only(sent_to(outcomes, address), AccountMode)
    assert only(sent_to(outcomes, SLEEVE), Reconciled) == [
        Reconciled(user="alice", venue="kraken-sim", agreed=True)
    ]
    (row,) = rows(outcomes)
    assert (row.agreed, row.differences) == (True, "")
    assert account.probe.fold.timers == {"round": (START_NS + 60 * SECOND_NS, 0)}


def test_agreement_is_to_the_last_minor_unit_over_all_that_trading_moved() -> None:
    account = opened()
    account.venue = {"USDT": 300_000_000, "ETH": 10_000_007}
    account.books = {"USDT": 300_000_000, "ETH": 10_000_000}
    assert account.modes(account.round()) == []
    account.books["ETH"] -= 1
    account.round()
    assert account.probe.state.differing == 1


def test_three_quiet_differences_in_a_row_page_and_leave_only_exits() -> None:
    account = opened()
    account.venue["USDT"] -= 1
    for _ in range(2):
        outcomes = account.round()
        assert account.modes(outcomes) == []
        assert sent_to(outcomes, ALERTS) == []
    outcomes = account.round()
    assert account.modes(outcomes) == [Mode.EXITS_ONLY]
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert alert.severity is Severity.PAGE
    line = "USDT: venue 4.99999999, books 5, difference -0.00000001"
    assert alert.text == (
        f"the books of alice at kraken-sim differ from the venue's ({line}): nothing is corrected, "
        "only exits are allowed; find the cause with `bot ledger reconcile`, then record the "
        "missing movement"
    )
    (row,) = rows(outcomes)
    assert (row.agreed, row.differences) == (False, line)
    assert account.funds[1:] == [], "a difference is never corrected"
    assert sent_to(account.round(), ALERTS) == []
    account.venue["USDT"] += 1
    outcomes = account.round()
    assert account.modes(outcomes) == [Mode.ACTIVE]
    (alert,) = sent_to(outcomes, ALERTS)
    assert isinstance(alert, Alert)
    assert alert.severity is Severity.NOTICE


def test_differences_while_something_moves_do_not_count() -> None:
    account = opened()
    account.venue["USDT"] -= 1
    account.unsettled = ("order-1",)
    for _ in range(5):
        account.round()
    account.unsettled = ()
    account.newest_fill_ns = account.probe.now_ns
    account.probe.now_ns += SECOND_NS
    account.answer(account.handle(ReconcileNow()))
    assert account.probe.state.differing == 0
    account.probe.now_ns += 10 * SECOND_NS
    account.answer(account.handle(ReconcileNow()))
    assert account.probe.state.differing == 1


def test_a_difference_that_goes_away_starts_the_count_anew() -> None:
    account = opened()
    account.venue["USDT"] -= 1
    account.round()
    account.round()
    account.venue["USDT"] += 1
    account.round()
    account.venue["USDT"] -= 1
    assert account.modes(account.round()) == []


def test_an_account_that_is_never_quiet_is_told_once() -> None:
    account = opened()
    account.venue["USDT"] -= 1
    account.unsettled = ("order-1",)
    alerts = [alert for _ in range(40) for alert in sent_to(account.round(), ALERTS)]
    assert len(alerts) == 1


def test_deposits_and_withdrawals_are_booked_once_by_their_reference() -> None:
    account = opened()
    deposit = VenueTransfer(
        asset="USDT", amount_minor=40_000_000, reference="L1", at_ns=START_NS + SECOND_NS
    )
    account.transfers = (deposit,)
    account.venue["USDT"] += 40_000_000
    assert account.modes(account.round()) == []
    account.transfers = (deposit, replace(deposit, reference="L2", amount_minor=-15_000_000))
    account.venue["USDT"] -= 15_000_000
    account.round()
    account.round()
    assert [(each.reference, each.amount_minor) for each in account.funds[1:]] == [
        ("L1", 40_000_000),
        ("L2", -15_000_000),
    ]
    assert account.probe.state.differing == 0


def test_a_deposit_of_an_asset_without_a_vault_is_left_out() -> None:
    account = opened()
    account.transfers = (
        VenueTransfer(asset="ETH", amount_minor=5, reference="L1", at_ns=START_NS),
    )
    account.venue["ETH"] += 5
    account.round()
    assert account.probe.state.differing == 0
    assert len(account.funds) == 1


def test_what_came_before_the_first_reading_is_not_booked_twice() -> None:
    account = Account()
    account.transfers = (
        VenueTransfer(asset="USDT", amount_minor=500_000_000, reference="L0", at_ns=1),
    )
    account.read_unclear()
    account.round()
    account.round()
    assert len(account.funds) == 1


def test_after_a_start_only_exits_until_the_books_agree() -> None:
    account = opened()
    outcomes = account.handle(Booted(boot=2))
    assert account.modes(outcomes) == [Mode.EXITS_ONLY]
    assert account.modes(account.answer(outcomes)) == [Mode.ACTIVE]


def test_what_waits_for_the_comparison_is_let_go_by_agreement_behind_the_mode() -> None:
    account = opened()
    account.venue["USDT"] -= 1
    outcomes = account.handle(Booted(boot=2))
    for _ in range(3):
        outcomes = account.answer(outcomes)
        assert not any(isinstance(outcome, Published) for outcome in outcomes)
        outcomes = account.probe.fire("round")
    account.venue["USDT"] += 1
    outcomes = account.answer(outcomes)
    (said,) = [at for at, one in enumerate(outcomes) if isinstance(one, Published)]
    assert outcomes[said] == Published("/system/settled", Settled())
    modes = [
        at
        for at, one in enumerate(outcomes)
        if isinstance(one, Sent) and isinstance(one.message, AccountMode)
    ]
    assert len(modes) == 3
    assert max(modes) < said


def test_fees_are_told_when_they_change_and_only_then() -> None:
    account = opened()
    own = AccountFee(symbol="ETH/USDT", maker_ppm=0, taker_ppm=1_000)
    account.fees = (own,)
    account.round()
    assert account.told == [FeesTold(user="alice", venue="kraken-sim", fees=(own,))]
    account.round()
    account.fees = ()
    account.round()
    assert len(account.told) == 1, "no word is no change"
    account.fees = (replace(own, taker_ppm=900),)
    account.round()
    assert [told.fees for told in account.told[1:]] == [account.fees]
    account.handle(replace(ACCOUNT, sleeves=(*ACCOUNT.sleeves, "/new")))
    assert len(account.told) == 3, "who is new has not heard of it"


def test_a_new_vault_is_told_the_mode_and_gets_what_lay_there() -> None:
    account = opened()
    eth = "/users/alice/vaults/kraken-sim-eth/ledger"
    assert account.probe.state.outside_minor == {"ETH": 7}
    before = account.probe.fire("round")
    wider = replace(
        ACCOUNT,
        ledgers={**ACCOUNT.ledgers, "kraken-sim-eth": eth},
        vault_assets={**ACCOUNT.vault_assets, "kraken-sim-eth": "ETH"},
        sleeves=(*ACCOUNT.sleeves, "/users/alice/vaults/kraken-sim-eth/sleeves/new"),
    )
    outcomes = account.handle(wider)
    (moved, mode) = sent_to(outcomes, eth)
    assert isinstance(moved, FundsMoved)
    assert (moved.asset, moved.amount_minor) == ("ETH", 7)
    assert isinstance(mode, AccountMode)
    assert mode.mode is Mode.ACTIVE, "the account was compared"
    assert account.probe.state.outside_minor == {}
    # The running round knew nothing of the new vault: another one is begun in its place.
    (old,) = only(sent_to(before, LINE), ReadAccount)
    (new,) = only(sent_to(outcomes, LINE), ReadAccount)
    assert isinstance(old, ReadAccount)
    assert old != new
    assert account.read(old) == []


def test_a_start_gives_up_the_round_of_the_life_before() -> None:
    account = opened()
    before = account.probe.fire("round")
    outcomes = account.handle(Booted(boot=2))
    (old,) = only(sent_to(before, LINE), ReadAccount)
    assert isinstance(old, ReadAccount)
    assert account.read(old) == []
    assert account.modes(account.answer(outcomes)) == [Mode.ACTIVE]


def test_fills_are_read_from_a_minute_before_the_last_reading_and_given_to_orders() -> None:
    account = opened()
    (question,) = only(sent_to(account.probe.fire("round"), LINE), ReadAccount)
    assert isinstance(question, ReadAccount)
    assert question.fills_since_ns == START_NS - 60 * SECOND_NS
    reading = AccountRead(
        request_id=question.request_id,
        complete=True,
        open_orders=(venue_order(),),
        fills=(fill("e1"),),
        read_ns=account.probe.now_ns,
    )
    (seen,) = sent_to(account.handle(reading), ORDERS)
    assert seen == AccountSeen(
        request_id=question.request_id,
        reply_to=RECONCILE,
        open_orders=reading.open_orders,
        fills=reading.fills,
        read_ns=reading.read_ns,
    )


def test_a_failed_reading_is_repeated_with_backoff_and_told_once() -> None:
    account = opened()
    waits, alerts = [], []
    outcomes = account.probe.fire("round")
    for _ in range(7):
        (question,) = only(sent_to(outcomes, LINE), ReadAccount)
        assert isinstance(question, ReadAccount)
        failed = AccountRead(request_id=question.request_id, complete=False, reason="no venue")
        alerts += sent_to(account.handle(failed), ALERTS)
        before_ns = account.probe.now_ns
        outcomes = account.probe.fire("round")
        waits.append((account.probe.now_ns - before_ns) // SECOND_NS)
    assert waits == [1, 2, 5, 10, 30, 30, 30]
    (alert,) = alerts
    assert isinstance(alert, Alert)
    assert alert.text == "the account of alice at kraken-sim cannot be read: no venue"
    assert account.modes(account.answer(outcomes)) == []


def test_whoever_asks_is_answered_by_a_round_that_began_after_the_question() -> None:
    account = opened()
    running = account.probe.fire("round")
    ask = ReconcileNow(operator="alice", reply_to="/control", request_id="r1")
    assert account.handle(ask) == []
    outcomes = account.answer(running)
    assert sent_to(outcomes, "/control") == []
    outcomes = account.answer(outcomes)
    assert sent_to(outcomes, "/control") == [
        Acknowledged(request_id="r1", ok=True, text="books and venue agree")
    ]


def test_a_round_without_answers_is_given_up_and_pages() -> None:
    account = opened()
    account.probe.fire("round")
    outcomes = account.probe.fire("stuck")
    assert [alert.severity for alert in account.probe.sent(outcomes, Alert)] == [Severity.PAGE]
    assert len(only(sent_to(outcomes, LINE), ReadAccount)) == 1


def test_funding_is_told_once_and_behind_the_fills_that_came_before_it() -> None:
    account = opened()
    account.funding = (
        VenueFunding(symbol=PERPETUAL, asset="USDT", amount_minor=-3, reference="F1", at_ns=9),
    )
    account.venue["USDT"] -= 3
    account.books["USDT"] -= 3
    outcomes = account.round()
    told = FundingSettled(symbol=PERPETUAL, amount_minor=-3, reference="F1", at_ns=9)
    assert account.settled == [told]
    assert account.modes(outcomes) == []
    account.round()
    assert account.settled == []


def test_funding_before_the_first_reading_is_part_of_what_lay_there() -> None:
    account = Account()
    account.funding = (
        VenueFunding(symbol=PERPETUAL, asset="USDT", amount_minor=-3, reference="F1", at_ns=9),
    )
    account.read_unclear()
    account.round()
    assert account.settled == []


def test_a_position_that_lay_there_pages_and_one_that_differs_counts() -> None:
    account = Account()
    account.venue[PERPETUAL] = -25_000
    (question,) = only(sent_to(account.outcomes, LINE), ReadAccount)
    assert isinstance(question, ReadAccount)
    outcomes = account.read(question)
    (page,) = [a for a in sent_to(outcomes, ALERTS) if isinstance(a, Alert)]
    assert page.severity is Severity.PAGE
    assert "already held -2.5 ETH/USDT:USDT" in page.text
    account = opened()
    account.venue[PERPETUAL] = 10_000
    for _ in range(3):
        outcomes = account.round()
    (mode,) = [m for m in sent_to(outcomes, RISK) if isinstance(m, AccountMode)]
    assert "ETH/USDT:USDT: venue 1, books 0, difference 1" in mode.reason
