"""Bodies of administrative requests; `venue.admin` documents them. Unknown keys are refused."""

from msgspec import Struct

from venue.config import FaultProfileName
from venue.faults import Fault


class Amount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money for, or from, an account."""

    account: str
    asset: str
    amount: str


class HandOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order placed by hand; a market order when `price` is empty."""

    account: str
    symbol: str
    side: str
    quantity: str
    price: str = ""
    post_only: bool = False


class HandCancel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cancel by hand."""

    account: str
    txid: str


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault profile to apply from now on."""

    profile: FaultProfileName


class Rates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fault rates in parts per million."""

    rates: dict[Fault, int]


class Arm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault for the next `count` requests or frames of `target`; empty means any."""

    fault: Fault
    target: str = ""
    count: int = 1
    duration_ms: int = 0


class CancelOnly(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether markets take cancels only."""

    is_on: bool


class Visibility(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new visibility lag."""

    lag_ms: int
