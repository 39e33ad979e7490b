"""Checking a decoded document against structs, collecting every problem instead of the first.

What is wrong is left out of the result, so that what is right can be checked further. Knows nothing
of Canopy's configuration; `bot/config.py` does.
"""

import difflib
import types
from collections.abc import Mapping
from enum import Enum
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from bot.toml_lines import KeyPath

_NUMBERS = {int: "a whole number", float: "a number"}
_KINDS: dict[object, str] = {bool: "true or false", tuple: "a list [ … ]", dict: "a table"}
# Longer values are cut in error texts: enough to recognise one's own line.
_SHOWN_MAX = 60


Kind: TypeAlias = Any
"""An annotation, or what is left of one: the typing module has no type for them."""
Value: TypeAlias = Any
"""Anything that a document can hold, or that it becomes."""


class Problem(NamedTuple):
    """One thing that is wrong."""

    path: KeyPath
    text: str


class _Nothing:
    """Stands for a value that was wrong."""


NOTHING = _Nothing()


def path_text(path: KeyPath) -> str:
    """Write a key path as a person would: `first_run.vaults[0].asset`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def nearest(word: str, known: Mapping[str, object] | list[str]) -> str:
    """Return a question that names the most similar of `known`, or nothing if none is similar."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


class Checker:
    """One pass over one document."""

    def __init__(self, lax: frozenset[KeyPath] = frozenset()) -> None:
        """Prepare. Values at `lax` are texts from the environment: numbers are read out of them."""
        self.problems: list[Problem] = []
        self._lax = lax

    def add(self, path: KeyPath, text: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, text))

    def check(self, value: Value, annotation: Kind, path: KeyPath = ()) -> Value:
        """Return `value` as `annotation` says, or `NOTHING`; every problem is noted."""
        kind, meta = _unwrap(annotation)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._check_struct(value, kind, path)
        origin: Kind = get_origin(kind)
        if origin is dict:
            key_kind, value_kind = get_args(kind)
            return self._check_dict(value, key_kind, value_kind, path)
        if origin is tuple:
            return self._check_list(value, get_args(kind)[0], meta, path)
        return self._check_leaf(value, annotation, path)

    def _check_struct(self, value: Value, kind: type[msgspec.Struct], path: KeyPath) -> Value:
        if not isinstance(value, dict):
            self.add(path, f"was {shown(value)}, allowed is a table")
            return NOTHING
        hints = get_type_hints(kind, include_extras=True)
        for key in value:
            if key not in hints:
                allowed = ", ".join(hints)
                hint = nearest(key, hints)
                self.add((*path, key), f"there is no such key{hint} (allowed here: {allowed})")
        good: dict[str, Any] = {}
        is_whole = True
        for field in msgspec.structs.fields(kind):
            here = (*path, field.name)
            if field.name in value:
                checked = self.check(value[field.name], hints[field.name], here)
                if checked is not NOTHING:
                    good[field.name] = checked
                    continue
            elif field.required:
                self.add(here, f"is missing, needed is {allowed_text(hints[field.name])}")
            is_whole = is_whole and not field.required
        return kind(**good) if is_whole else NOTHING

    def _check_dict(self, value: Value, key_kind: Kind, value_kind: Kind, path: KeyPath) -> Value:
        if not isinstance(value, dict):
            self.add(path, f"was {shown(value)}, allowed is a table")
            return NOTHING
        good = {}
        for key, item in value.items():
            here = (*path, key)
            if self._check_leaf(key, key_kind, here, "the name ") is NOTHING:
                continue
            checked = self.check(item, value_kind, here)
            if checked is not NOTHING:
                good[key] = checked
        return good

    def _check_list(
        self, value: Value, item_kind: Kind, meta: msgspec.Meta | None, path: KeyPath
    ) -> Value:
        if not isinstance(value, list):
            self.add(path, f"was {shown(value)}, allowed is a list [ … ]")
            return NOTHING
        low = (meta.min_length if meta else None) or 0
        high = meta.max_length if meta else None
        if len(value) < low or (high is not None and len(value) > high):
            upper = f" to {high}" if high is not None else " or more"
            self.add(path, f"has {len(value)} elements, allowed are {low}{upper}")
            return NOTHING
        checked = [self.check(item, item_kind, (*path, at)) for at, item in enumerate(value)]
        return tuple(item for item in checked if item is not NOTHING)

    def _check_leaf(self, value: Value, annotation: Kind, path: KeyPath, what: str = "") -> Value:
        try:
            return msgspec.convert(value, annotation, strict=path not in self._lax)
        except msgspec.ValidationError:
            allowed = allowed_text(annotation)
            choices = _choices(annotation)
            hint = nearest(value, choices) if isinstance(value, str) else ""
            self.add(path, f"{what}was {shown(value)}, allowed is {allowed}{hint}")
            return NOTHING


def shown(value: object) -> str:
    """Write a value as TOML would, cut to a sensible length."""
    try:
        text = msgspec.json.encode(value).decode()
    except TypeError:
        text = str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"


def allowed_text(annotation: Kind) -> str:
    """Say in words which values an annotation allows."""
    kind, meta = _unwrap(annotation)
    if meta is not None and meta.description:
        return meta.description
    choices = _choices(annotation)
    if choices:
        return f"one of {', '.join(choices)}"
    if kind in _NUMBERS:
        return _NUMBERS[kind] + _range_text(meta)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return "a table"
    return _KINDS.get(get_origin(kind) or kind, "a text in quotes")


def _range_text(meta: msgspec.Meta | None) -> str:
    if meta is None:
        return ""
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    if meta.ge is not None:
        return f" of {meta.ge} or more"
    return ""


def _choices(annotation: Kind) -> list[str]:
    kind, _ = _unwrap(annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    return []


def _unwrap(annotation: Kind) -> tuple[Kind, msgspec.Meta | None]:
    """Return what an annotation is about, without None and Annotated, and its last `Meta`."""
    meta = None
    while True:
        origin: Kind = get_origin(annotation)
        if origin is Annotated:
            annotation, *notes = get_args(annotation)
            meta = next((note for note in notes if isinstance(note, msgspec.Meta)), meta)
        elif origin in (Union, types.UnionType):
            (annotation,) = [kind for kind in get_args(annotation) if kind is not type(None)]
        else:
            return annotation, meta
