"""OKX's ids and ours.

OKX takes client ids of at most 32 letters and digits: ours lose their hyphens on the way there and
get them back on the way here. Its order ids and trade ids are told together with the instrument,
since a cancel must name it: `ETH-USDT-123`.
"""

import re
from uuid import UUID

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_OURS = re.compile(r"[0-9a-f]{32}")


def to_venue(client_order_id: str) -> str:
    """Return our id as OKX takes it."""
    return client_order_id.replace("-", "")


def from_venue(text: object) -> str | None:
    """Return a client id as we know it, None where an order has none."""
    name = str(text or "")
    return str(UUID(name)) if _OURS.fullmatch(name) else name or None


def with_instrument(instrument_id: object, number: object) -> str:
    """Return an id of the venue together with the instrument."""
    return f"{instrument_id}-{number}"


def parted(venue_order_id: str) -> tuple[str, str]:
    """Return the instrument and the number of an id of `with_instrument`."""
    instrument_id, _, number = venue_order_id.rpartition("-")
    return instrument_id, number
