"""Acts on vaults: allocations, the pool, and the preflight."""

import re
from collections.abc import Callable
from decimal import Decimal

import trio

from bot.board import Board
from bot.views import minor_text, vault_address
from messages import money
from messages.base import Message
from messages.control import Allocate, CheckVault, SetTradeable
from messages.money import Acknowledged, VaultChecked
from messages.rows import VaultRow
from messages.views import CheckView
from supervisor.control import Desk

# A reading of an account takes a few requests of at most five seconds each.
KEYS_WAIT_S = 15.0
_SLEEVE = re.compile(r"(/users/[^/]+/vaults/[^/]+)/sleeves/([^/]+)")

Audit = Callable[[str, str], None]
"""Appends to the audit: subject, detail."""


class RefusedError(Exception):
    """The act cannot be done; the text says why and what to do instead."""


class VaultActs:
    """Does acts on the vaults that a board shows."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def allocate(
        self, request: Allocate, operator: str, desk: Desk, audit: Audit
    ) -> Acknowledged:
        """Set a sleeve's allocation. Raises `RefusedError`."""
        found = _SLEEVE.fullmatch(request.address.rstrip("/"))
        row = self._board.sleeves.get(found[0]) if found else None
        if found is None or row is None:
            raise RefusedError(f"there is no sleeve at {request.address}: `bot vaults` shows them")
        vault = self._vault(found[1])
        before = minor_text(row.allocated_minor, vault.asset_scale)
        allocated = minor_of(request.amount, vault)
        audit(found[0], f"allocated {before} -> {request.amount} {vault.asset}")

        def make(reply_id: str) -> Message:
            return money.Allocate(
                sleeve=found[2],
                allocated_minor=allocated,
                operator=operator,
                reply_to=desk.address,
                request_id=reply_id,
            )

        return await _ask(desk, vault.address, make)

    async def set_tradeable(
        self, request: SetTradeable, operator: str, desk: Desk, audit: Audit
    ) -> Acknowledged:
        """Set a vault's pool. Raises `RefusedError`."""
        vault = self._vault(request.address.rstrip("/"))
        before = minor_text(self._pool_minor(vault), vault.asset_scale)
        pool = minor_of(request.amount, vault)
        audit(vault_address(vault.address), f"pool {before} -> {request.amount} {vault.asset}")

        def make(reply_id: str) -> Message:
            return money.SetTradeable(
                tradeable_minor=pool,
                operator=operator,
                reply_to=desk.address,
                request_id=reply_id,
            )

        return await _ask(desk, vault.address, make)

    async def check(
        self, request: CheckVault, operator: str, desk: Desk, audit: Audit
    ) -> list[CheckView]:
        """Run the preflight of a vault, or of all. Raises `RefusedError`."""
        ledgers = list(self._board.vaults.values())
        if request.address is not None:
            ledgers = [self._vault(request.address.rstrip("/"))]
        if not ledgers:
            raise RefusedError("there is no vault yet: see [first_run] of bot.toml, and `bot tree`")
        rows: list[CheckView] = []
        for vault in ledgers:
            address = vault_address(vault.address)
            audit(address, "preflight")
            checks = (await _keys(desk, vault), *await _preflight(desk, vault, operator))
            rows += [
                CheckView(
                    name=f"{address}: {check.name}",
                    agreed=check.ok,
                    detail=check.text,
                    at_ns=desk.now_ns(),
                )
                for check in checks
            ]
        return rows

    def _vault(self, address: str) -> VaultRow:
        row = self._board.vaults.get(f"{address}/ledger")
        if row is None:
            raise RefusedError(f"there is no vault at {address}: `bot vaults` shows them")
        return row

    def _pool_minor(self, vault: VaultRow) -> int:
        """Return what Tradeable Coins and allocations come to now."""
        slices = (
            sleeve.allocated_minor
            for sleeve in self._board.sleeves.values()
            if (sleeve.user, sleeve.vault) == (vault.user, vault.vault)
        )
        return vault.tradeable_minor + sum(slices)


def minor_of(amount: str, vault: VaultRow) -> int:
    """Return an amount in the vault's minor unit. Raises `RefusedError`."""
    minor = Decimal(amount).scaleb(vault.asset_scale)
    if minor != minor.to_integral_value() or minor >= 2**63:
        raise RefusedError(
            f"{amount} is too fine or too large: {vault.asset} is counted with "
            f"{vault.asset_scale} decimals"
        )
    return int(minor)


async def _ask(desk: Desk, address: str, make: Callable[[str], Message]) -> Acknowledged:
    reply_id = desk.new_id()
    reply = await desk.ask(address, make(reply_id), reply_id)
    assert isinstance(reply, Acknowledged), "acts are acknowledged"
    return reply


async def _keys(desk: Desk, vault: VaultRow) -> money.Check:
    """Have the vault's account read with its keys, and compared with the books."""
    address = f"/venues/{vault.venue}/accounts/{vault.user}/reconcile"
    reply: Acknowledged | None = None
    with trio.move_on_after(KEYS_WAIT_S):
        reply = await _ask(
            desk,
            address,
            lambda reply_id: money.ReconcileNow(
                operator="preflight", reply_to=desk.address, request_id=reply_id
            ),
        )
    if reply is None:
        text = (
            f"the account could not be read within {KEYS_WAIT_S:g} s: see `bot log --filter "
            f"{vault.venue}`, and whether its keys are right"
        )
        return money.Check(name="keys", ok=False, text=text)
    if not reply.ok:
        return money.Check(name="keys", ok=False, text=f"the account was read; {reply.text}")
    return money.Check(name="keys", ok=True, text=f"the account was read; {reply.text}")


async def _preflight(desk: Desk, vault: VaultRow, operator: str) -> tuple[money.Check, ...]:
    reply_id = desk.new_id()
    question = money.CheckVault(operator=operator, reply_to=desk.address, request_id=reply_id)
    reply = await desk.ask(vault.address, question, reply_id)
    assert isinstance(reply, VaultChecked), "a ledger answers a preflight"
    return reply.checks
