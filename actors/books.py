"""Double-entry books of one vault: named accounts per asset, and movements between them.

A movement takes an amount from one account and puts it into another, so over all accounts the
balances of an asset always sum to zero. Balances are sums of movements, kept as such.

| account | what it stands for |
| --- | --- |
| `external` | the world that deposits and withdraws; its balance is minus what came in |
| `market` | the other side of our trades |
| `holdings` | coins of the vault that nobody may trade with |
| `reserve` | the buffer that is never deployed |
| `tradeable` | Tradeable Coins, allocated to no sleeve |
| `sleeve/<name>/cash`, `sleeve/<name>/<base>` | what a sleeve may spend or sell |
| `sleeve/<name>/reserved` | what its open orders hold: the pending transfers |
| `sleeve/<name>/margin` | what its positions in perpetuals hold |
| `fees`, `funding`, `rounding` | paid away; what is below a unit |
| `netting/<symbol>` | of a perpetual: what the venue has realised beyond our sleeves |
| `suspense` | trades that nobody ordered, and fills beyond a balance; a person has to look |
| `withdrawn` | what withdrawals took beyond what was free, below zero until a deposit covers it |
"""

import msgspec

from messages.rows import BalanceRow, TransferRow
from supervisor.actor import Context

EXTERNAL = "external"
MARKET = "market"
HOLDINGS = "holdings"
RESERVE = "reserve"
TRADEABLE = "tradeable"
FEES = "fees"
FUNDING = "funding"
ROUNDING = "rounding"
SUSPENSE = "suspense"
WITHDRAWN = "withdrawn"

# What stands for the outside world may go below zero, and so may what a person has to look at.
_MAY_BE_NEGATIVE = frozenset({EXTERNAL, MARKET, FEES, FUNDING, ROUNDING, SUSPENSE, WITHDRAWN})
_NETTING = "netting/"
# Not at the venue: everything else must lie in the account there.
_OUTSIDE = frozenset({EXTERNAL, MARKET, FEES, FUNDING, ROUNDING})

INT64_MAX = 2**63 - 1


class MoneyOverflowError(OverflowError):
    """A balance left the range of int64: the asset's minor unit is too small for such amounts."""


class Books(msgspec.Struct):
    """The accounts of one vault and the number of its newest movement."""

    balances: dict[str, dict[str, int]] = {}
    """Asset → account → balance in minor units."""
    number: int = 0

    def balance(self, asset: str, account: str) -> int:
        """Return what an account holds; 0 for one that nothing has moved through."""
        return self.balances.get(asset, {}).get(account, 0)

    def move(self, asset: str, debit: str, credit: str, amount_minor: int) -> int:
        """Move an amount from `debit` to `credit`; return the movement's number.

        Raises `MoneyOverflowError` beyond int64. That no account ends a message below zero which
        may not is checked by `check`, after all movements of that message.
        """
        assert amount_minor > 0, "a movement has an amount, and a direction by its accounts"
        assert debit != credit, "money moves between two accounts"
        accounts = self.balances.setdefault(asset, {})
        for account, change in ((debit, -amount_minor), (credit, amount_minor)):
            balance = accounts.get(account, 0) + change
            if abs(balance) > INT64_MAX:
                raise MoneyOverflowError(
                    f"{account} would hold {balance} minor units of {asset}, more than int64 can: "
                    "give the asset fewer decimals in a new database"
                )
            accounts[account] = balance
        self.number += 1
        return self.number

    def held(self, asset: str) -> int:
        """Return what must lie at the venue: all accounts but those of the outside world."""
        accounts = self.balances.get(asset, {})
        return sum(amount for account, amount in accounts.items() if not is_outside(account))

    def check(self) -> None:
        """Assert what must hold after every message: sums of zero, nobody below zero."""
        for asset, accounts in self.balances.items():
            assert sum(accounts.values()) == 0, f"the books of {asset} do not balance"
            for account, balance in accounts.items():
                assert balance >= 0 or may_be_negative(asset, account), (
                    f"{account} is {balance} minor units of {asset}: below zero"
                )


class Pen:
    """Writes movements into the books and, with them, the rows that show them."""

    def __init__(self, books: Books, ctx: Context) -> None:
        self._books = books
        self._ctx = ctx

    def move(
        self, asset: str, debit: str, credit: str, amount_minor: int, kind: str, reference: str
    ) -> None:
        """Move an amount and record the movement and both balances; nothing for an amount of 0."""
        if amount_minor == 0:
            return
        number = self._books.move(asset, debit, credit, amount_minor)
        self._ctx.record(
            TransferRow(
                vault_address=self._ctx.address,
                number=number,
                asset=asset,
                debit=debit,
                credit=credit,
                amount_minor=amount_minor,
                kind=kind,
                reference=reference,
                at_ns=self._ctx.now_ns,
            )
        )
        for account in (debit, credit):
            self._ctx.record(
                BalanceRow(
                    vault_address=self._ctx.address,
                    account=account,
                    asset=asset,
                    balance_minor=self._books.balance(asset, account),
                    may_be_negative=may_be_negative(asset, account),
                )
            )


def may_be_negative(asset: str, account: str) -> bool:
    """Return whether an account may end a message below zero; contracts of a short position do."""
    return account in _MAY_BE_NEGATIVE or account.startswith(_NETTING) or is_contract(asset)


def is_outside(account: str) -> bool:
    """Return whether what an account holds does not lie at the venue."""
    return account in _OUTSIDE


def is_contract(asset: str) -> bool:
    """Return whether an asset is a perpetual's contracts: named as its symbol, `ETH/USDT:USDT`."""
    return ":" in asset


def netting_of(symbol: str) -> str:
    """Return the account of what the venue realised in a perpetual beyond our sleeves."""
    return f"{_NETTING}{symbol}"


def netted(accounts: dict[str, int]) -> int:
    """Return what all such accounts hold."""
    return sum(amount for name, amount in accounts.items() if name.startswith(_NETTING))


def margin_of(sleeve: str) -> str:
    """Return the account of what a sleeve's positions in perpetuals hold."""
    return f"sleeve/{sleeve}/margin"


def cash_of(sleeve: str) -> str:
    """Return the account of a sleeve's free cash."""
    return f"sleeve/{sleeve}/cash"


def reserved_of(sleeve: str) -> str:
    """Return the account of what a sleeve's open orders hold, in any asset."""
    return f"sleeve/{sleeve}/reserved"


def coins_of(sleeve: str, base: str) -> str:
    """Return the account of a sleeve's free coins of `base`, or contracts."""
    return f"sleeve/{sleeve}/{base}"
