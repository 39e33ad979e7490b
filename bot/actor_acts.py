"""Looking into one actor, and acting on it, for whoever asks on the control socket."""

from collections.abc import Callable

from messages.actor_control import (
    ActorAct,
    Inspect,
    ReplaceState,
    RestartActor,
    ResumeActor,
    SuspendActor,
    TraceActor,
)
from messages.control import Answer, Outcome
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.control import Desk
from supervisor.introspect import CannotError, Inspector
from supervisor.system import System

Audit = Callable[[str, str], None]
"""Record who does this act: to what, and what of it."""


class ActorActs:
    """Looks and acts on one running tree."""

    def __init__(self, system: System) -> None:
        self._inspector = Inspector(system)

    def look(self, request: Inspect) -> Answer:
        """Answer a query about one actor."""
        try:
            rows = self._inspector.look(request.address, request.aspect)
        except CannotError as error:
            return Answer(request_id=request.request_id, outcome=Outcome.ERROR, text=str(error))
        return Answer(request_id=request.request_id, outcome=Outcome.OK, rows=tuple(rows))

    async def do(self, request: ActorAct, operator: str, desk: Desk, audit: Audit) -> Answer:
        """Do one act; it is durable, as far as it lasts at all, when this returns."""
        try:
            text = await self._done(request, operator, desk, audit)
        except CannotError as error:
            return Answer(request_id=request.request_id, outcome=Outcome.DENIED, text=str(error))
        await desk.committed()
        return Answer(request_id=request.request_id, outcome=Outcome.OK, text=text)

    async def _done(self, request: ActorAct, operator: str, desk: Desk, audit: Audit) -> str:
        look, address = self._inspector, request.address
        if isinstance(request, SuspendActor):
            text = look.suspend(address)
            audit(address, request.reason)
        elif isinstance(request, ResumeActor):
            text = look.resume(address)
            audit(address, "")
        elif isinstance(request, TraceActor):
            for_ns = request.for_s * NANOSECONDS_PER_SECOND
            text = look.trace(address, request.filter, request.per_s, for_ns)
            audit(address, f"{request.for_s} s: {request.filter}")
        elif isinstance(request, RestartActor):
            if address == desk.address:
                raise CannotError(f"{address} is what you speak with: restart the bot instead")
            audit(address, request.reason)
            text = await look.restart(address)
        else:
            text = self._replaced(request, operator, audit)
        return text

    def _replaced(self, request: ReplaceState, operator: str, audit: Audit) -> str:
        text = self._inspector.replace(
            request.address, request.at_seq, request.state, operator, request.reason
        )
        audit(request.address, f"at message {request.at_seq}: {request.reason}")
        return text
