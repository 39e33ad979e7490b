"""A supervisor, with OTP's interface to its children.

What changes something is done by the supervisor between two events, so it never meets a restart
half-way; what only looks is answered at once.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from supervisor.child import Child, ChildError, ChildInfo, ChildState, Counts, Refusal
from supervisor.lifecycle import IGNORED, is_supervisor
from supervisor.roster import instantiate
from supervisor.spec import (
    NAME,
    Addition,
    Spec,
    SpecError,
    Strategy,
    SupervisorSpec,
)
from supervisor.supervising import Call, Supervising, respec
from supervisor.validation import check_children, validate

__all__ = ["ChildError", "Supervisor"]

Result = TypeVar("Result")


class Supervisor(Supervising):
    """One supervisor and its children, from its spec."""

    _numbered = 0

    # --- looking

    async def ping(self) -> None:
        """Return once this has been served, behind all that came before."""
        await self._call(_nothing)

    def find(self, name: str) -> Child:
        """Return the child called `name`; raise `ChildError` if there is none."""
        child = self._children.get(name)
        if child is None:
            raise ChildError(
                Refusal.NOT_FOUND, f"{self.address} has no child {name}: see `bot tree`"
            )
        return child

    def which_children(self) -> list[ChildInfo]:
        """Return what is known of each child, in order of start."""
        return [_info(child) for child in self._children.values()]

    def which_child(self, name: str) -> ChildInfo:
        """Return what is known of one child; raise `ChildError` if there is none."""
        return _info(self.find(name))

    def count_children(self) -> Counts:
        """Return how many specs, running children, supervisors and workers there are."""
        children = self._children.values()
        supervisors = sum(is_supervisor(child) for child in children)
        specs = 1 if self._is_dynamic else len(children)
        return Counts(
            specs=specs,
            active=sum(child.is_up for child in children),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    def get_spec(self, name: str) -> Spec:
        """Return a child's spec; under `DYNAMIC` its template."""
        child = self.find(name)
        return self.spec.children[0] if self._is_dynamic else child.spec

    def check_specs(self, *specs: Spec) -> list[str]:
        """Return what is wrong with `specs` as children of this supervisor; nothing is started."""
        return check_children(self.spec, *specs, path=self._below)

    # --- changing

    async def start_child(self, child: Spec | Addition) -> ChildInfo | None:
        """Add a child and start it; return None if it ignored that (see `Ignore`).

        Raises `ChildError`; a child that could not be started is not kept.
        """
        return await self._call(lambda: self._start_child(child))

    async def restart_child(self, name: str) -> ChildInfo | None:
        """Start a child that is stopped or halted, now. Raises `ChildError` otherwise."""
        return await self._call(lambda: self._restart_child(name))

    async def terminate_child(self, name: str) -> None:
        """Stop a child; it stays stopped. Stopping a stopped one is no error.

        A temporary or dynamic child is forgotten with it.
        """
        await self._call(lambda: self._terminate_child(name))

    async def delete_child(self, name: str) -> None:
        """Forget a stopped child, its spec, its address and what waits for it."""
        await self._call(lambda: self._delete_child(name))

    async def apply_specs(self, spec: SupervisorSpec) -> None:
        """Take over a new spec while running: OTP's code_change.

        Flags and specs hold from now on, for known children from their next start on; new children
        are added and not started, those that are missing are kept. If anything in it is wrong
        nothing is changed.
        """
        await self._call(lambda: self._apply_specs(spec))

    # --- the same, between two events

    async def _start_child(self, wanted: Spec | Addition) -> ChildInfo | None:
        if isinstance(wanted, Addition):
            addition, spec = self._addition(wanted)
        elif self._is_dynamic:
            raise ChildError(
                Refusal.SIMPLE_ONE_FOR_ONE,
                f"{self.address} makes its children from a template: ask with an Addition",
            )
        else:
            addition, spec = Addition(name=wanted.name, spec=wanted), wanted
        known = self._children.get(spec.name)
        if known is not None:
            is_down = known.state in (ChildState.STOPPED, ChildState.HALTED)
            refusal = Refusal.ALREADY_PRESENT if is_down else Refusal.ALREADY_STARTED
            raise ChildError(refusal, f"{known.address} is there already: it is {_word(known)}")
        self._refuse_wrong(check_children(self.spec, spec, path=self._below))
        await self._house.settled(f"{self._below}/{spec.name}")
        child = self._add(spec, addition=addition)
        if self.spec.durable:
            self._house.added(child.address, addition)
        return await self._started_or_refused(child, keep=False)

    def _addition(self, wanted: Addition) -> tuple[Addition, Spec]:
        addition = wanted
        if not addition.name and self._is_dynamic:
            # A number is nobody's for good: the journal holds the state of whoever had it.
            self._numbered += 1
            while self._house.is_known(f"{self._below}/{self._numbered}"):
                self._numbered += 1
            addition = replace(addition, name=str(self._numbered))
        if not NAME.fullmatch(addition.name):
            text = f"the name {addition.name!r} must match {NAME.pattern}"
            raise ChildError(Refusal.BAD_SPEC, text)
        try:
            return addition, instantiate(self.spec, addition)
        except SpecError as error:
            raise ChildError(Refusal.BAD_SPEC, str(error)) from error

    async def _started_or_refused(self, child: Child, *, keep: bool) -> ChildInfo | None:
        failed = await self._life.start(child)
        if failed is None:
            return _info(child)
        if failed is IGNORED:
            if not self._is_kept(child):
                self._forget(child)
            return None
        if not keep or child.is_temporary:
            self._forget(child)
        raise ChildError(Refusal.START_FAILED, str(failed)) from failed.error

    async def _restart_child(self, name: str) -> ChildInfo | None:
        child = self._administered(name)
        if child.state is ChildState.BACKOFF:
            raise ChildError(
                Refusal.RESTARTING,
                f"{child.address} is being restarted: terminate it first to start it at once",
            )
        if child.is_up:
            raise ChildError(_refusal(child), f"{child.address} is {_word(child)}: stop it first")
        return await self._started_or_refused(child, keep=True)

    async def _terminate_child(self, name: str) -> None:
        child = self.find(name)
        await self._life.stop(child)
        if not self._is_kept(child) and child.state is ChildState.STOPPED:
            self._forget(child)

    async def _delete_child(self, name: str) -> None:
        child = self._administered(name)
        if child.state is not ChildState.STOPPED:
            raise ChildError(_refusal(child), f"{child.address} is {_word(child)}: stop it first")
        left = _left_behind(child)
        if left is not None:
            text = f"{left.address} has still not ended: what was left behind keeps its place"
            raise ChildError(Refusal.UNKILLABLE, text)
        await self._house.settled(child.address)
        self._forget(child)

    async def _apply_specs(self, spec: SupervisorSpec) -> None:
        path = None if self.address == "/" else self.address.rpartition("/")[0]
        self._refuse_wrong(validate(replace(spec, name=self.spec.name), path))
        if (spec.strategy is Strategy.DYNAMIC) != self._is_dynamic:
            text = f"{self.address} cannot go to or from simple_one_for_one while it runs"
            raise ChildError(Refusal.SIMPLE_ONE_FOR_ONE, text)
        kinds = [(self._children.get(new.name), new) for new in spec.children]
        for child, new in kinds if not self._is_dynamic else ():
            if child is not None and is_supervisor(child) != isinstance(new, SupervisorSpec):
                text = f"{child.address} cannot become another kind: delete it first"
                raise ChildError(Refusal.BAD_SPEC, text)
        self.spec = replace(spec, name=self.spec.name)
        if self._is_dynamic:
            for child in self._children.values():
                assert child.addition is not None, "it was made from the template"
                respec(child, instantiate(self.spec, child.addition))
            return
        for _, new in kinds:
            self._take_over(new)

    def _refuse_wrong(self, problems: list[str]) -> None:
        if problems:
            raise ChildError(Refusal.BAD_SPEC, "\n".join(problems))

    def _administered(self, name: str) -> Child:
        if self._is_dynamic:
            text = f"{self.address} keeps no stopped children: terminate it, start another"
            raise ChildError(Refusal.SIMPLE_ONE_FOR_ONE, text)
        return self.find(name)

    @property
    def _is_dynamic(self) -> bool:
        return self.spec.strategy is Strategy.DYNAMIC

    @property
    def _below(self) -> str:
        return "" if self.address == "/" else self.address

    async def _call(self, act: Callable[[], Awaitable[Result]]) -> Result:
        if self._life.nursery is None or self._life.stop_requested.is_set():
            raise self.gone()
        call = Call(act)
        self._calls[call] = None
        self._post(call)
        try:
            await call.answered.wait()
        finally:
            del self._calls[call]
        if call.error is not None:
            raise call.error
        if not call.is_done:
            raise self.gone()
        result: Result = call.result
        return result


async def _nothing() -> None:
    """Be an act that changes nothing."""


def _info(child: Child) -> ChildInfo:
    return ChildInfo(
        name=child.name,
        address=child.address,
        kind="supervisor" if is_supervisor(child) else child.runner.kind,
        state=child.state,
        incarnation=child.runner.incarnation,
    )


def _left_behind(child: Child) -> Child | None:
    """Return whoever runs at or below a child that is stopped."""
    if child.is_up:
        return child
    below = child.runner.children if isinstance(child.runner, Supervisor) else ()
    return next((left for one in below if (left := _left_behind(one)) is not None), None)


def _refusal(child: Child) -> Refusal:
    if child.state is ChildState.UNKILLABLE:
        return Refusal.UNKILLABLE
    return Refusal.RESTARTING if child.state is ChildState.BACKOFF else Refusal.RUNNING


def _word(child: Child) -> str:
    return "being restarted" if child.state is ChildState.BACKOFF else child.state.value
