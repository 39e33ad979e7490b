"""A spec as it is kept: for children that were added at run time by their whole spec.

What is called (`start`) is kept by its name, so it must be a class or function of a module, or a
`functools.partial` of one with plain values; anything else lives as long as the process.
"""

import importlib
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NoReturn

import msgspec

from messages.base import Message, all_messages, decoder, encode
from supervisor.spec import ChildSpec, Spec, SpecError, SupervisorSpec

_BELOW = ("children", "templates")


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A spec, encoded."""

    fields: dict[str, Any]
    """What is plain, by the names of the spec's fields."""
    module: str = ""
    """Of `start`; empty for a supervisor."""
    name: str = ""
    arguments: tuple[list[Any], dict[str, Any]] = ([], {})
    configuration: bytes = b""
    below: dict[str, list["Written"]] = {}


def written(spec: Spec) -> Written:
    """Return a spec to be kept; raise `SpecError` if it cannot be."""
    if isinstance(spec, SupervisorSpec):
        below = {name: [written(one) for one in getattr(spec, name)] for name in _BELOW}
        return Written(_plain(spec, _BELOW), below=below)
    module, name, arguments = _named(spec)
    configuration = encode(spec.configuration) if spec.configuration is not None else b""
    plain = _plain(spec, ("start", "configuration"))
    return Written(plain, module, name, arguments, configuration)


def read(kept: Written) -> Spec:
    """Return the spec. What cannot be found any more fails when it is started, not here."""
    if not kept.name:
        below = {name: tuple(read(one) for one in kept.below.get(name, ())) for name in _BELOW}
        fields = _converted(SupervisorSpec, kept.fields)
        return SupervisorSpec(**{**fields, **below})
    configuration = _message(kept.configuration) if kept.configuration else None
    fields = _converted(ChildSpec, kept.fields)
    return ChildSpec(**fields, start=_start(kept), configuration=configuration)


def _named(spec: ChildSpec) -> tuple[str, str, tuple[list[Any], dict[str, Any]]]:
    start: Any = spec.start
    arguments: tuple[list[Any], dict[str, Any]] = ([], {})
    if isinstance(start, partial):
        start, arguments = start.func, (list(start.args), start.keywords)
    module, name = getattr(start, "__module__", ""), getattr(start, "__qualname__", "")
    if getattr(sys.modules.get(module), name, None) is not start:
        raise SpecError("its start is no class or function of a module")
    try:
        is_plain = msgspec.msgpack.decode(msgspec.msgpack.encode(arguments)) == list(arguments)
    except TypeError:
        is_plain = False
    if not is_plain:
        raise SpecError("what its start is given is not plain")
    return module, name, arguments


def _start(kept: Written) -> Callable[..., Any]:
    try:
        found: Any = importlib.import_module(kept.module)
        found = getattr(found, kept.name)
    except (ImportError, AttributeError):
        return partial(_missing, f"{kept.module}.{kept.name}")
    positional, named = kept.arguments
    return partial(found, *positional, **named) if positional or named else found


def _missing(what: str, *_: object) -> NoReturn:
    raise SpecError(f"{what} is not there any more: delete this child, or install what has it")


def _plain(spec: Spec, leave_out: Iterable[str]) -> dict[str, Any]:
    fields = msgspec.structs.asdict(spec)
    return {name: msgspec.to_builtins(fields[name]) for name in fields if name not in leave_out}


def _converted(kind: type[Spec], kept: dict[str, Any]) -> dict[str, Any]:
    return {
        field.name: msgspec.convert(kept[field.name], field.type)
        for field in msgspec.structs.fields(kind)
        if field.name in kept
    }


def _message(body: bytes) -> Message:
    message = decoder(all_messages()).decode(body)
    assert isinstance(message, Message), "only messages are kept"
    return message
