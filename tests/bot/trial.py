"""A bot with a small tree instead of the trading one, for tests of everything around the tree."""

from pathlib import Path

from messages.money import Acknowledged, KillSwitch, Pause, Resume
from messages.rows import SwitchRow
from messages.settings import TreeSettings
from supervisor.actor import Actor, Context, State
from supervisor.clock import Clock
from supervisor.spec import AutoShutdown, ChildSpec, Poison, SupervisorSpec

SLEEVE = "/users/alice/vaults/kraken-sim-usdt/sleeves/flash"


class SleeveState(State):
    """Whether it is paused, and how often it was told."""

    paused: bool = False
    told: int = 0


class TrialSleeve(Actor[SleeveState]):
    """Says yes to everything."""

    def on_pause(self, state: SleeveState, message: Pause, ctx: Context) -> None:
        state.paused = True
        self._answer(state, message.reply_to, message.request_id, ctx)

    def on_resume(self, state: SleeveState, message: Resume, ctx: Context) -> None:
        state.paused = False
        self._answer(state, message.reply_to, message.request_id, ctx)

    def _answer(self, state: SleeveState, reply_to: str, request_id: str, ctx: Context) -> None:
        state.told += 1
        text = "paused" if state.paused else "trading"
        ctx.send(reply_to, Acknowledged(request_id=request_id, ok=True, text=text))


class TrialRisk(Actor[SleeveState]):
    """Takes the kill switch; crashes or never ends on a reason that says so."""

    def on_kill_switch(self, state: SleeveState, message: KillSwitch, ctx: Context) -> None:
        assert message.reason != "crash", "told to"
        while message.reason == "spin":
            pass
        ctx.record(
            SwitchRow(
                engaged=message.engaged,
                confirmed=True,
                operator=message.operator,
                reason=message.reason,
                at_ns=ctx.now_ns,
            )
        )
        text = "every line confirmed"
        if message.reply_to:
            answer = Acknowledged(request_id=message.request_id, ok=True, text=text)
            ctx.send(message.reply_to, answer)


def assemble(
    settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
) -> SupervisorSpec:
    """Build a root with a risk actor and one sleeve at the address that a real one would have."""
    sleeve = ChildSpec(name="flash", start=TrialSleeve)
    sleeves = SupervisorSpec(name="sleeves", children=(sleeve,))
    vault = SupervisorSpec(name="kraken-sim-usdt", children=(sleeves,))
    alice = SupervisorSpec(
        name="alice", children=(SupervisorSpec(name="vaults", children=(vault,)),)
    )
    users = SupervisorSpec(name="users", bulkhead=True, children=(alice,))
    risk = ChildSpec(name="risk", start=TrialRisk, poison=Poison.BLOCK)
    return SupervisorSpec(
        name="",
        children=(*front, risk, users),
        intensity=10,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
