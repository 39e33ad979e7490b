"""What an operator sets in a vault: a sleeve's allocation, and the pool of Tradeable Coins."""

from actors.allocation import apply_wanted_when_flat, remaining_minor, set_pool, settle_reserve
from actors.desk import Desk
from actors.vault import MANUAL
from messages.money import Acknowledged, Allocate, SetTradeable


def allocate(desk: Desk, message: Allocate) -> None:
    """Set what a sleeve is allocated, if Tradeable Coins cover it (V5, V8); answer either way."""
    state = desk.state
    sleeve = state.sleeves.get(message.sleeve)
    spare = remaining_minor(state)
    if sleeve is None or message.allocated_minor < 0:
        _refuse(desk, message, f"{message.sleeve} is no sleeve, or below zero")
        return
    if message.sleeve == MANUAL:
        text = f"{MANUAL} is what you trade by hand: no strategy runs it, so nothing is allocated"
        _refuse(desk, message, f"{text}; name another sleeve, `bot vaults` shows them")
        return
    if message.allocated_minor - max(sleeve.wanted_minor, sleeve.allocated_minor) > spare:
        _refuse(
            desk,
            message,
            f"{message.sleeve} was to get {desk.money(message.allocated_minor)}; "
            f"{desk.money(spare)} of Tradeable Coins remain: free some, or raise the pool",
        )
        return
    before = sleeve.allocated_minor
    sleeve.wanted_minor = message.allocated_minor
    apply_wanted_when_flat(state, desk.pen, f"allocate by {message.operator}")
    asset = desk.config.asset
    text = (
        f"{sleeve.name} has {desk.money(sleeve.allocated_minor)} {asset} allocated, "
        f"before {desk.money(before)}; {desk.money(remaining_minor(state))} remain"
    )
    if sleeve.allocated_minor != sleeve.wanted_minor:
        text += f"; {desk.money(sleeve.wanted_minor)} from its next buy on, since it is in a trade"
    _answer(desk, message, ok=True, text=text)


def set_tradeable(desk: Desk, message: SetTradeable) -> None:
    """Set the pool, as far as money outside the reserve is there (V3); answer."""
    state = desk.state
    before = state.pool_minor
    reference = f"pool by {message.operator}"
    settle_reserve(state, desk.pen, reference)
    set_pool(state, desk.pen, max(0, message.tradeable_minor), reference)
    said = []
    slices = sum(sleeve.allocated_minor for sleeve in state.sleeves.values())
    if 0 < state.pool_minor < slices:
        said.append(
            f"sleeves have {desk.money(slices)} allocated, the pool is "
            f"{desk.money(state.pool_minor)}: lower allocations to bring them within it"
        )
        desk.notice("pool below allocations", said[-1])
    if state.pool_missing_minor:
        said.append(
            f"{desk.money(state.pool_missing_minor)} of the pool are not there outside the "
            "reserve: they are added from the next deposit"
        )
        desk.notice("pool not covered", said[-1])
    apply_wanted_when_flat(state, desk.pen, reference)
    first = (
        f"the pool is {desk.money(state.pool_minor)} {desk.config.asset}, before "
        f"{desk.money(before)}; {desk.money(remaining_minor(state))} remain"
    )
    _answer(desk, message, ok=True, text="; ".join([first, *said]))


def _refuse(desk: Desk, message: Allocate, text: str) -> None:
    desk.notice("allocation refused", text)
    _answer(desk, message, ok=False, text=text)


def _answer(desk: Desk, message: Allocate | SetTradeable, *, ok: bool, text: str) -> None:
    if message.reply_to:
        answer = Acknowledged(request_id=message.request_id, ok=ok, text=text)
        desk.ctx.send(message.reply_to, answer)
