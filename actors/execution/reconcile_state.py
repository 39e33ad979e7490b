"""What a reconcile actor remembers."""

import msgspec

from messages.account import AccountFee, VenueFunding
from messages.money import AccountConfigured, Mode
from supervisor.actor import State


class Asker(msgspec.Struct):
    """Who waits for the end of a round."""

    reply_to: str
    request_id: str


class ReconcileState(State):
    """What is remembered between rounds, and of the running one (`request_id`, "" for none)."""

    settings: AccountConfigured | None = None
    mode: Mode = Mode.EXITS_ONLY
    reason: str = ""
    opened: bool = False
    """The opening balance has been booked."""
    outside_minor: dict[str, int] = msgspec.field(default_factory=dict)
    """Holdings of assets that no vault has."""
    cursor_ns: int = 0
    """Up to here all fills and transfers have been read."""
    references: list[str] = msgspec.field(default_factory=list)
    fees: tuple[AccountFee, ...] = ()
    """What the account pays, as the venue told it last."""
    request_id: str = ""
    again: bool = False
    """Somebody asked while a round was running: what it reads may be older than their reason."""
    read_ns: int = 0
    venue_minor: dict[str, int] = msgspec.field(default_factory=dict)
    unsettled: int = 0
    newest_fill_ns: int = 0
    books: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """Vault → asset → minor units, as far as ledgers have answered."""
    funding: list[VenueFunding] = msgspec.field(default_factory=list)
    """To be told to ledgers once they have the fills that came before it."""
    contract_scales: dict[str, int] = msgspec.field(default_factory=dict)
    """Symbol of a perpetual → decimals of its contracts."""
    differing: int = 0
    """Quiet rounds in a row that showed a difference."""
    failures: int = 0
    unquiet: int = 0
    asking: list[Asker] = msgspec.field(default_factory=list)
