"""What operators do: each act is a durable message, audited, and answered after it took effect."""

import re
from collections.abc import Callable, Sequence
from functools import partial

import trio

from bot.actor_acts import ActorActs
from bot.board import Board
from bot.vault_acts import RefusedError, VaultActs
from messages import money
from messages.actor_control import ActorAct
from messages.base import Message
from messages.control import (
    Act,
    Allocate,
    Answer,
    CancelAll,
    CheckVault,
    Close,
    KillSwitch,
    Outcome,
    Pause,
    Release,
    Request,
    Resume,
    SetTradeable,
    Stop,
    SwitchAction,
)
from messages.money import Acknowledged
from messages.views import CheckView
from state.store import Store
from supervisor.control import Desk
from supervisor.poison import NotBlockedError
from supervisor.system import System

RISK = "/risk"
_SLEEVE = re.compile(r"/users/[^/]+/vaults/[^/]+/sleeves/[^/]+")
_ORDERS = re.compile(r"/venues/([^/]+)/accounts/([^/]+)/orders")
_RECONCILE = re.compile(r"/venues/([^/]+)/accounts/([^/]+)/reconcile")


_TOLD_TO_SLEEVES: dict[type[Act], type[money.Pause | money.Resume | money.CloseNow]] = {
    Pause: money.Pause,
    Resume: money.Resume,
    Close: money.CloseNow,
}


class Acts:
    """Does acts on one running tree."""

    def __init__(
        self,
        system: System,
        store: Store,
        board: Board,
        stop: Callable[[], None],
    ) -> None:
        self._system = system
        self._store = store
        self._vaults = VaultActs(board)
        self.actors = ActorActs(system)
        self._stop = stop

    async def do(self, request: Act, operator: str, desk: Desk) -> Answer:
        """Do one act and say what was done."""
        if isinstance(request, ActorAct):
            audit = partial(self._audit, request, operator, desk)
            return await self.actors.do(request, operator, desk, audit)
        if isinstance(request, Stop):
            self._audit(request, operator, desk, "/", request.reason)
            await desk.committed()
            self._stop()
            return _done(request, "the bot is stopping in good order")
        return await self._trade(request, operator, desk)

    async def _trade(self, request: Act, operator: str, desk: Desk) -> Answer:
        if isinstance(request, Pause | Resume | Close):
            return await self._set_sleeves(request, operator, desk)
        if isinstance(request, KillSwitch):
            return await self._set_switch(request, operator, desk)
        if isinstance(request, Release):
            return await self._release(request, operator, desk)
        if isinstance(request, CancelAll):
            return await self._cancel_all(request, operator, desk)
        assert isinstance(request, Allocate | SetTradeable | CheckVault), "these are all acts"
        return await self._do_to_vault(request, operator, desk)

    async def reconcile(self, desk: Desk) -> list[CheckView]:
        """Compare all accounts with their venues now."""
        asked = {
            f"{found[2]}@{found[1]}": address
            for address in self._system.cells
            if (found := _RECONCILE.fullmatch(address)) is not None
        }
        replies = await _ask_all(
            desk,
            list(asked.values()),
            lambda reply_id: money.ReconcileNow(
                operator="control", reply_to=desk.address, request_id=reply_id
            ),
        )
        return [
            CheckView(name=name, agreed=reply.ok, detail=reply.text, at_ns=desk.now_ns())
            for name, reply in zip(asked, replies, strict=True)
        ]

    # --- the acts

    async def _set_sleeves(
        self, request: Pause | Resume | Close, operator: str, desk: Desk
    ) -> Answer:
        above = (request.address or "/").rstrip("/")
        sleeves = [
            address
            for address in self._system.cells
            if _SLEEVE.fullmatch(address) and (address == above or address.startswith(f"{above}/"))
        ]
        if not sleeves:
            text = f"there is no sleeve at or below {above or '/'}: `bot vaults` shows them"
            return Answer(request_id=request.request_id, outcome=Outcome.ERROR, text=text)
        kind = _TOLD_TO_SLEEVES[type(request)]
        self._audit(request, operator, desk, above or "/", "")
        replies = await _ask_all(
            desk,
            sleeves,
            lambda reply_id: kind(operator=operator, reply_to=desk.address, request_id=reply_id),
        )
        lines = [f"{a}: {r.text}" for a, r in zip(sleeves, replies, strict=True)]
        return _answer(request, replies, "\n".join(lines))

    async def _cancel_all(self, request: CancelAll, operator: str, desk: Desk) -> Answer:
        accounts = [address for address in self._system.cells if _ORDERS.fullmatch(address)]
        self._audit(request, operator, desk, "/", f"{len(accounts)} accounts")
        replies = await _ask_all(
            desk,
            accounts,
            lambda reply_id: money.CancelAll(
                operator=operator, reply_to=desk.address, request_id=reply_id
            ),
        )
        lines = [
            f"{address.removesuffix('/orders')}: {reply.text}"
            for address, reply in zip(accounts, replies, strict=True)
        ]
        return _answer(request, replies, "\n".join(lines) or "there is no account yet")

    async def _do_to_vault(
        self, request: Allocate | SetTradeable | CheckVault, operator: str, desk: Desk
    ) -> Answer:
        audit = partial(self._audit, request, operator, desk)
        try:
            if isinstance(request, CheckVault):
                rows = await self._vaults.check(request, operator, desk, audit)
                return Answer(request_id=request.request_id, outcome=Outcome.OK, rows=tuple(rows))
            if isinstance(request, Allocate):
                reply = await self._vaults.allocate(request, operator, desk, audit)
            else:
                reply = await self._vaults.set_tradeable(request, operator, desk, audit)
        except RefusedError as error:
            return Answer(request_id=request.request_id, outcome=Outcome.DENIED, text=str(error))
        if not reply.ok:
            audit(request.address, f"refused: {reply.text}")
        return _answer(request, [reply], reply.text)

    async def _set_switch(self, request: KillSwitch, operator: str, desk: Desk) -> Answer:
        is_engaged = request.action is SwitchAction.ENGAGE
        self._audit(request, operator, desk, RISK, f"{request.action.value}: {request.reason}")
        replies = await _ask_all(
            desk,
            [RISK],
            lambda reply_id: money.KillSwitch(
                engaged=is_engaged,
                operator=operator,
                reason=request.reason,
                reply_to=desk.address,
                request_id=reply_id,
            ),
        )
        return _answer(request, replies, replies[0].text)

    async def _release(self, request: Release, operator: str, desk: Desk) -> Answer:
        cell = self._system.cells.get(request.address)
        text = f"there is no actor at {request.address}: `bot tree` shows all"
        if cell is not None:
            try:
                position = cell.release(
                    discard=request.discard, operator=operator, reason=request.reason
                )
            except NotBlockedError as error:
                text = str(error)
            else:
                verb = "discarded" if request.discard else "handled again"
                self._audit(request, operator, desk, request.address, f"{verb}: {request.reason}")
                await desk.committed()
                return _done(request, f"message {position} of {request.address} is {verb}")
        return Answer(request_id=request.request_id, outcome=Outcome.ERROR, text=text)

    def _audit(self, request: Act, operator: str, desk: Desk, subject: str, detail: str) -> None:
        act = type(request).__name__.lower()
        text = f"{detail} ({request.request_id})".strip()
        self._store.audit(desk.now_ns(), operator, act, subject, text)


async def _ask_all(
    desk: Desk, addresses: Sequence[str], make: Callable[[str], Message]
) -> list[Acknowledged]:
    """Send a message to each address at once; return the acknowledgements in that order."""
    replies: dict[str, Acknowledged] = {}

    async def ask(address: str) -> None:
        reply_id = desk.new_id()
        reply = await desk.ask(address, make(reply_id), reply_id)
        assert isinstance(reply, Acknowledged), "acts are acknowledged"
        replies[address] = reply

    async with trio.open_nursery() as nursery:
        for address in addresses:
            nursery.start_soon(ask, address)
    return [replies[address] for address in addresses]


def _answer(request: Request, replies: Sequence[Acknowledged], text: str) -> Answer:
    outcome = Outcome.OK if all(reply.ok for reply in replies) else Outcome.ERROR
    return Answer(request_id=request.request_id, outcome=outcome, text=text)


def _done(request: Request, text: str) -> Answer:
    return Answer(request_id=request.request_id, outcome=Outcome.OK, text=text)
