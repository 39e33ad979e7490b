"""What each account may do: the stricter of what reconcile says and what being blocked demands."""

import msgspec

from messages.money import AccountMode, Mode, RiskAccount
from supervisor.actor import Context

STRICTNESS = {Mode.ACTIVE: 0, Mode.REDUCING: 1, Mode.EXITS_ONLY: 2, Mode.HALTED: 3}
NOT_YET_RECONCILED = "its books have not been compared with the venue's since the start"


class Standing(msgspec.Struct):
    """How one account stands with risk."""

    mode: Mode = Mode.EXITS_ONLY
    reason: str = NOT_YET_RECONCILED
    blocked: dict[str, str] = msgspec.field(default_factory=dict)
    """Guarded actors that handle nothing more → the error that blocks them."""


def account_key(user: str, venue: str) -> str:
    """Return the key of the account of `user` at `venue`."""
    return f"{user}@{venue}"


def effective(standing: Standing) -> tuple[Mode, str]:
    """Return what the account may do, and why."""
    if not standing.blocked or STRICTNESS[standing.mode] >= STRICTNESS[Mode.EXITS_ONLY]:
        return standing.mode, standing.reason
    address, error = next(iter(standing.blocked.items()))
    reason = f"{address} is blocked by a message it cannot handle: {error}"
    return Mode.EXITS_ONLY, reason


def announce(account: RiskAccount, standing: Standing, ctx: Context, *, sleeves: bool) -> None:
    """Tell the account's line, and with `sleeves` also its sleeves, what the account may do."""
    mode, reason = effective(standing)
    message = AccountMode(user=account.user, venue=account.venue, mode=mode, reason=reason)
    ctx.send(account.line, message)
    if sleeves:
        for sleeve in account.sleeves:
            ctx.send(sleeve, message)
