"""Children that were added at run time: made from templates, and remembered by the journal.

Each has an entry among the journal's configurations, under a name that no actor can have. An entry
is written with the group of its moment; what was added and not yet committed when the process died
was never acknowledged to anybody outside.
"""

import logging
from functools import partial

import msgspec
from msgspec.structs import replace

from messages.base import Message, all_messages, decoder, encode
from supervisor.journal import Journal
from supervisor.spec import Addition, ChildSpec, Spec, SpecError, Strategy, SupervisorSpec
from supervisor.written_spec import Written, read, written

logger = logging.getLogger("supervisor")

PREFIX = "//child"


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """An addition as it is kept."""

    name: str
    template: str
    configuration: bytes
    """Empty where there is none."""
    arguments: tuple[bytes, ...]
    spec: Written | None = None
    """Of one that was added by its whole spec."""


def instantiate(supervisor: SupervisorSpec, addition: Addition) -> Spec:
    """Return the spec of a child to be made; raise `SpecError` if there is no such template."""
    if addition.spec is not None:
        return addition.spec
    choice = supervisor.templates
    if supervisor.strategy is Strategy.DYNAMIC:
        choice = supervisor.children
    wanted = addition.template
    found = [spec for spec in choice if spec.name == wanted or (not wanted and len(choice) == 1)]
    if not found:
        names = ", ".join(spec.name for spec in choice) or "none"
        raise SpecError(f"no template {wanted!r} below {supervisor.name!r}: there are {names}")
    (template,) = found
    if not isinstance(template, ChildSpec):
        if addition.configuration or addition.arguments:
            raise SpecError(f"{wanted!r} is a supervisor: it takes a name and nothing else")
        return replace(template, name=addition.name)
    start = partial(template.start, *addition.arguments) if addition.arguments else template.start
    configuration = addition.configuration or template.configuration
    return replace(template, name=addition.name, start=start, configuration=configuration)


class Roster:
    """What was added below which supervisor, in order of addition."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._of: dict[str, dict[str, Addition]] = {}
        # In the order in which the names were given out: that of their first addition.
        for name, number in sorted(journal.names().items(), key=lambda item: item[1]):
            if name.startswith(f"{PREFIX}/"):
                kept = journal.configuration(number)
                if kept:
                    self._enter(name.removeprefix(PREFIX), _restored(kept))

    def of(self, supervisor: str) -> list[Addition]:
        """Return what was added below the supervisor at this address."""
        return list(self._of.get(supervisor, {}).values())

    def add(self, address: str, addition: Addition) -> None:
        """Keep an addition; one by a spec that cannot be written ends with the process."""
        try:
            spec = written(addition.spec) if addition.spec is not None else None
        except SpecError as error:
            logger.warning("%s: it is not there again after the process: %s", address, error)
            return
        self._enter(address, addition)
        entry = _Entry(
            addition.name,
            addition.template,
            encode(addition.configuration) if addition.configuration else b"",
            tuple(encode(argument) for argument in addition.arguments),
            spec,
        )
        number = self._journal.enroll(f"{PREFIX}{address}")
        self._journal.configured(number, msgspec.msgpack.encode(entry))

    def remove(self, address: str) -> None:
        """Forget the addition at `address`, if it is one."""
        supervisor, _, name = address.rpartition("/")
        if self._of.get(supervisor or "/", {}).pop(name, None) is not None:
            self._journal.configured(self._journal.enroll(f"{PREFIX}{address}"), b"")

    def _enter(self, address: str, addition: Addition) -> None:
        supervisor = address.rpartition("/")[0] or "/"
        self._of.setdefault(supervisor, {})[addition.name] = addition


def _restored(kept: bytes) -> Addition:
    entry = msgspec.msgpack.decode(kept, type=_Entry)
    return Addition(
        name=entry.name,
        template=entry.template,
        configuration=_message(entry.configuration) if entry.configuration else None,
        arguments=tuple(_message(argument) for argument in entry.arguments),
        spec=read(entry.spec) if entry.spec is not None else None,
    )


def _message(body: bytes) -> Message:
    message = decoder(all_messages()).decode(body)
    assert isinstance(message, Message), "only messages are kept"
    return message
