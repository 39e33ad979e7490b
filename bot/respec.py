"""Taking over a new spec of the whole tree while it runs.

Addresses are there before anybody is told of them, what is gone is told of first: no message finds
nobody on the way. Whatever is not done when this fails is done by the next start, which builds the
tree from the same settings.
"""

from collections.abc import Iterator
from typing import NamedTuple

from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.supervisor import Supervisor
from supervisor.system import System

FEED = "feed"


class _Moves(NamedTuple):
    """What is to be started and ended, with its supervisor."""

    added: list[tuple[Supervisor, str]]
    removed: list[tuple[Supervisor, str]]


async def take_over(system: System, spec: SupervisorSpec, feeds: list[str]) -> None:
    """Have `system` run what `spec` says; restart the `feeds`, which know whom to tell.

    Raises `ChildError` where a supervisor does not run or a child cannot be started.
    """
    known = [address for address, _ in actors_in(spec) if address in system.cells]
    moves = _Moves([], [])
    await _adopt(system.root, spec, moves)
    for address in known:
        system.refresh(address)
    for supervisor, name in moves.added:
        await supervisor.restart_child(name)
    for supervisor, name in moves.removed:
        await supervisor.terminate_child(name)
        await supervisor.delete_child(name)
    for address in feeds:
        supervisor, name = system.supervisor_of(address)
        await supervisor.terminate_child(name)
        await supervisor.restart_child(name)


async def _adopt(supervisor: Supervisor, spec: SupervisorSpec, moves: _Moves) -> None:
    """Give a supervisor and those below it their new specs; note what follows from that."""
    before = {child.name: child.runner for child in supervisor.children if child.is_static}
    await supervisor.apply_specs(spec)
    wanted = {child.name: child for child in spec.children}
    for name, below in wanted.items():
        runner = before.get(name)
        if runner is None:
            moves.added.append((supervisor, name))
        elif isinstance(runner, Supervisor):
            assert isinstance(below, SupervisorSpec), "apply_specs refuses another kind"
            await _adopt(runner, below, moves)
    moves.removed.extend((supervisor, name) for name in before if name not in wanted)


def actors_in(spec: SupervisorSpec, above: str = "") -> Iterator[tuple[str, ChildSpec]]:
    """Return every actor and port below `spec` with its address."""
    for child in spec.children:
        address = f"{above}/{child.name}"
        if isinstance(child, SupervisorSpec):
            yield from actors_in(child, address)
        else:
            yield address, child
