"""What is wrong with a spec, said before anything of it is started."""

from collections import Counter
from collections.abc import Iterator
from enum import Enum

from supervisor.spec import (
    NAME,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Restart,
    Shutdown,
    Spec,
    Strategy,
    SupervisorSpec,
)


def validate(spec: Spec, path: str | None = None) -> list[str]:
    """Return everything that is wrong with `spec` and what is below it, in words.

    `path` is the address above it, "" below the root; the root itself has none, and no name.
    """
    is_root = path is None and not spec.name
    address = "/" if is_root else f"{path or ''}/{spec.name}"
    problems = []
    if not (is_root or NAME.fullmatch(spec.name)):
        problems.append(f"{address}: the name {spec.name!r} must match {NAME.pattern}")
    problems += [f"{address}: {text}" for text in _of_child(spec)]
    if isinstance(spec, SupervisorSpec):
        problems += [f"{address}: {text}" for text in _of_supervisor(spec)]
        below = "" if address == "/" else address
        for child in (*spec.children, *spec.templates):
            problems += validate(child, below)
    else:
        problems += [f"{address}: {text}" for text in _of_worker(spec)]
    return problems


def check_children(supervisor: SupervisorSpec, *specs: Spec, path: str = "") -> list[str]:
    """Return what is wrong with `specs` as children of `supervisor` (OTP's check_childspecs)."""
    problems = [text for spec in specs for text in validate(spec, path)]
    return problems + [f"{path or '/'}: {text}" for text in _of_children(supervisor, specs)]


def _of_child(spec: Spec) -> Iterator[str]:
    yield from _one_of("restart", spec.restart, Restart)
    yield from _flag("significant", spec.significant)
    if spec.significant and spec.restart is Restart.PERMANENT:
        yield "a significant child may not be permanent: make it transient or temporary"
    if not isinstance(spec.shutdown_ns, Shutdown) and not _is_whole(spec.shutdown_ns, 1):
        yield (
            f"shutdown_ns was {spec.shutdown_ns}, allowed is more than 0, "
            "Shutdown.BRUTAL_KILL or Shutdown.INFINITY"
        )
    if not isinstance(spec.backoff, Backoff):
        yield f"backoff was {spec.backoff!r}, allowed is a Backoff"
    elif not 0 <= spec.backoff.min_ns <= spec.backoff.max_ns:
        yield f"the backoff goes from {spec.backoff.min_ns} to {spec.backoff.max_ns} ns"
    elif spec.backoff.jitter < 0:
        yield f"the backoff's jitter was {spec.backoff.jitter}, allowed is 0 or more"


def _of_worker(spec: ChildSpec) -> Iterator[str]:
    if not callable(spec.start):
        yield f"start was {spec.start!r}: it must make the actor or port"
    yield from _flag("trap_exit", spec.trap_exit)
    if not _is_whole(spec.step_budget_ns, 0):
        yield f"step_budget_ns was {spec.step_budget_ns}, allowed is 0 or more"


def _of_supervisor(spec: SupervisorSpec) -> Iterator[str]:
    yield from _one_of("strategy", spec.strategy, Strategy)
    yield from _one_of("auto_shutdown", spec.auto_shutdown, AutoShutdown)
    yield from _flag("bulkhead", spec.bulkhead)
    yield from _flag("durable", spec.durable)
    if not _is_whole(spec.intensity, 0):
        yield f"intensity was {spec.intensity}, allowed is 0 or more"
    if not _is_whole(spec.period_ns, 1):
        yield f"period_ns was {spec.period_ns}, allowed is more than 0"
    if spec.strategy is Strategy.DYNAMIC and len(spec.children) != 1:
        yield f"simple_one_for_one has one template among its children, not {len(spec.children)}"
    if spec.strategy is Strategy.DYNAMIC and spec.templates:
        yield "simple_one_for_one has its template among its children, and no others"
    yield from _of_children(spec, (*spec.children, *spec.templates))


def _of_children(spec: SupervisorSpec, children: tuple[Spec, ...]) -> Iterator[str]:
    for name, count in Counter(child.name for child in children).items():
        if count > 1:
            yield f"the child name {name!r} is used {count} times"
    if spec.auto_shutdown is AutoShutdown.NEVER:
        for child in children:
            if child.significant:
                yield f"{child.name} is significant, and auto_shutdown is never"


def _one_of(field: str, value: object, kind: type[Enum]) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{field} was {value!r}, allowed is one of {', '.join(m.name for m in kind)}"


def _flag(field: str, value: object) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{field} was {value!r}, allowed is True or False"


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
