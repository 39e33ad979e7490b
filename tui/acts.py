"""The acts that change the bot: each asks first, is sent once, and tells what became of it."""

from typing import Protocol

from messages import control
from messages.actor_control import RestartActor, ResumeActor, SuspendActor
from messages.control import Outcome, SwitchAction
from messages.views import SleeveView
from tui.client import Client
from tui.screens.dialogs import Confirm, Dialog, Halt, Typed
from tui.store import Store

# A kill switch waits for every line to confirm; the daemon says UNKNOWN before this.
HALT_TIMEOUT_MS = 30_000


class Desk(Protocol):
    """What an act needs of the screen."""

    store: Store
    client: Client

    async def put(self, dialog: Dialog) -> bool:
        """Show a dialog and return its answer."""

    def flash(self, text: str, *, alert: bool = False) -> None:
        """Tell the person something, for a few seconds."""

    def may_act(self) -> bool:
        """Say whether acts are allowed now; tell the person why if they are not."""


async def pause(desk: Desk, address: str) -> None:
    """Pause the sleeves at or below `address` (all when empty), after a question."""
    if not desk.may_act():
        return
    body = (
        "New entries stop. An open position is exited as planned, then the sleeve is paused.\n"
        + _affected(desk.store, address)
    )
    if await desk.put(Confirm(f"Pause {address or 'all sleeves'}?", body)):
        await _send(desk, control.Pause(request_id=desk.client.new_id(), address=address or None))


async def resume(desk: Desk, address: str) -> None:
    """Resume the sleeves at or below `address` (all when empty), after a question."""
    if not desk.may_act():
        return
    body = "New entries are possible again.\n" + _affected(desk.store, address)
    if await desk.put(Confirm(f"Resume {address or 'all sleeves'}?", body)):
        await _send(desk, control.Resume(request_id=desk.client.new_id(), address=address or None))


async def close(desk: Desk, address: str) -> None:
    """Close the sleeves at or below `address`, after its last part was typed."""
    if not desk.may_act():
        return
    if not address:
        desk.flash("say which: select a sleeve, or :close ADDRESS", alert=True)
        return
    body = (
        "Orders are cancelled, positions sold at the market, the sleeve is paused.\n"
        + _affected(desk.store, address)
    )
    word = address.rstrip("/").rsplit("/", 1)[-1]
    if await desk.put(Typed(f"Close {address} now?", body, word)):
        await _send(desk, control.Close(request_id=desk.client.new_id(), address=address))


async def suspend(desk: Desk, address: str) -> None:
    """Suspend the actor at `address`, after a question that says what that means for money."""
    if not _may_act_on(desk, address):
        return
    body = (
        "It handles nothing until it is told to go on (U); what comes in waits. A suspended sleeve "
        "does not watch its stop: to stop trading, pause it (P)."
    )
    stats = desk.store.stats_of(address)
    if stats is not None and stats.holds_money:
        body += (
            "\nIT HOLDS MONEY: meanwhile what the venue reports is not booked here, and nothing "
            "that it has to decide is decided."
        )
    if await desk.put(Confirm(f"Suspend {address}?", body)):
        reason = "from the terminal UI"
        await _send(
            desk, SuspendActor(request_id=desk.client.new_id(), address=address, reason=reason)
        )


async def unsuspend(desk: Desk, address: str) -> None:
    """Have the suspended actor at `address` go on, after a question."""
    if not _may_act_on(desk, address):
        return
    body = "It handles what waits for it, in order."
    if await desk.put(Confirm(f"Let {address} go on?", body)):
        await _send(desk, ResumeActor(request_id=desk.client.new_id(), address=address))


async def restart(desk: Desk, address: str) -> None:
    """Restart what stands at `address`, after a question."""
    if not _may_act_on(desk, address):
        return
    below = sum(len(rows) for parent, rows in desk.store.tree().items() if _within(address, parent))
    body = "It stops in order and starts again from its journal; nothing is lost."
    if below:
        body += f"\nSo do the {below} below it; open orders stay at the venue meanwhile."
    if await desk.put(Confirm(f"Restart {address}?", body)):
        reason = "from the terminal UI"
        await _send(
            desk, RestartActor(request_id=desk.client.new_id(), address=address, reason=reason)
        )


def _may_act_on(desk: Desk, address: str) -> bool:
    if desk.may_act() and not address:
        desk.flash("say which: select an actor in the tree, or give its address", alert=True)
    return desk.may_act() and bool(address)


def _within(address: str, parent: str) -> bool:
    return parent == address or parent.startswith(f"{address.rstrip('/')}/")


async def halt(desk: Desk) -> None:
    """Engage the kill switch when its key was pressed twice; it only reduces risk: no arming."""
    if await desk.put(
        Halt("KILL SWITCH: stop all new orders everywhere?", _halt_effect(desk.store))
    ):
        await _send(
            desk,
            control.KillSwitch(
                request_id=desk.client.new_id(),
                action=SwitchAction.ENGAGE,
                reason="pressed in the terminal UI",
                timeout_ms=HALT_TIMEOUT_MS,
            ),
        )


async def release(desk: Desk) -> None:
    """Release the kill switch, after the word was typed."""
    if not desk.may_act():
        return
    status = desk.store.status()
    why = f"It was engaged: {status.kill_reason}\n" if status and status.kill_reason else ""
    body = why + "Sleeves may place new orders again at once."
    if await desk.put(Typed("Release the kill switch?", body, "release")):
        await _send(
            desk,
            control.KillSwitch(
                request_id=desk.client.new_id(),
                action=SwitchAction.RELEASE,
                reason="released in the terminal UI",
            ),
        )


async def stop(desk: Desk) -> None:
    """Stop the daemon, after the word was typed."""
    if not desk.may_act():
        return
    body = "The bot ends in order. Open orders stay at the venue; nothing watches them.\n" + (
        _halt_effect(desk.store)
    )
    if await desk.put(Typed("Stop the bot?", body, "stop")):
        await _send(
            desk, control.Stop(request_id=desk.client.new_id(), reason="from the terminal UI")
        )


async def _send(desk: Desk, act: control.Act) -> None:
    name = type(act).__name__
    desk.flash(f"{name}: sent, waiting for the answer")
    answer = await desk.client.ask(act)
    words = {
        Outcome.OK: "done",
        Outcome.DENIED: "refused",
        Outcome.UNKNOWN: "UNKNOWN whether it was done",
        Outcome.ERROR: "failed",
    }
    text = f"{name}: {words[answer.outcome]}" + (f": {answer.text}" if answer.text else "")
    desk.flash(text, alert=answer.outcome is not Outcome.OK)


def _below(address: str, sleeve: SleeveView) -> bool:
    root = address.rstrip("/")
    return not root or sleeve.address == root or sleeve.address.startswith(f"{root}/")


def _affected(store: Store, address: str) -> str:
    named = [sleeve for _, sleeve in store.sleeves() if _below(address, sleeve)]
    if not named:
        return "The bot knows best which sleeves that are: none is shown here."
    return "\n".join(
        f"  {sleeve.sleeve}: {sleeve.state}, position {sleeve.position} {sleeve.symbol}"
        for sleeve in named[:8]
    )


def _halt_effect(store: Store) -> str:
    sleeves = [sleeve for _, sleeve in store.sleeves()]
    active = sum(sleeve.state == "active" for sleeve in sleeves)
    holding = sum(bool(sleeve.position.strip("-0.")) for sleeve in sleeves)
    status = store.status()
    waiting = status.orders_open if status else 0
    return (
        f"{active} active sleeves, {holding} with a position, {waiting} open orders.\n"
        "Cancels and reductions stay possible. It survives restarts; :release ends it.\n\n"
        "Press the same key once more to do it; Esc leaves."
    )
