"""What a message is: frozen, tagged, encoded once; and the two ways it can be delivered.

A message's tag is an explicit string (`orders.Fill`): no Python name enters the database. Fields
are only ever added, with defaults. Anything else is a new class with a new tag, and the old class
stays, with an `upcast` to the new one, for as long as journals that hold it may be read.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import ClassVar, Union

import msgspec


class Delivery(Enum):
    """How a message travels. A property of its type, never of one send."""

    DURABLE = "durable"
    """Addressed to one actor or port; exactly once, in order, across crashes and restarts."""
    STREAM = "stream"
    """Published to a topic; at most once, never blocks; a drop is announced by a `Gap`."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="tag"):
    """The base of everything that actors and ports say to each other."""

    delivery: ClassVar[Delivery] = Delivery.DURABLE
    superseded_by: ClassVar["type[Message] | None"] = None
    """The class that newer code handles instead; `upcast` then returns one of it."""

    def upcast(self) -> "Message":
        """Return this message in its newest form; superseded classes override this."""
        return self

    def conflation_key(self) -> str:
        """Return the key under which a newer value replaces this one unread, or "" for never.

        Only whole values (a top of book, a ticker) may be conflated: never a delta, never an event.
        """
        return ""


class Stream(Message, frozen=True, kw_only=True):
    """The base of market data and telemetry: published, never addressed."""

    delivery: ClassVar[Delivery] = Delivery.STREAM


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="tag"):
    """The base of what people see: recorded by a turn, stored in that turn's transaction.

    `table` names the table; `key` returns the entity, of which `<table>_current` keeps the newest.
    """

    table: ClassVar[str] = ""

    def key(self) -> str:
        """Return the entity this row describes."""
        raise TypeError(f"{type(self).__name__} does not say which entity it describes")


class Secret:
    """A value that may not leave the process it was given to: it is never encoded or printed."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


def _refuse(value: object) -> object:
    # The type is named, the value is not: it may be a secret.
    raise TypeError(f"a {type(value).__name__} may not be encoded")


_encoder = msgspec.msgpack.Encoder(enc_hook=_refuse)
encode = _encoder.encode


class UnknownTagError(ValueError):
    """Two message classes claim one tag, or a class has none."""


def tag_of(kind: type[msgspec.Struct]) -> str:
    """Return the tag of a message or row class; raise `UnknownTagError` if it has none."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str) or "." not in tag:
        raise UnknownTagError(f"{kind.__qualname__} needs tag='<subject>.{kind.__name__}'")
    return tag


def decoder(kinds: Iterable[type[msgspec.Struct]]) -> msgspec.msgpack.Decoder[msgspec.Struct]:
    """Build the decoder for the union of `kinds`; build it once, not per message."""
    ordered = tuple(dict.fromkeys(kinds))
    assert ordered, "a decoder needs at least one kind of message"
    claimed: dict[str, type[msgspec.Struct]] = {}
    for kind in ordered:
        tag = tag_of(kind)
        if claimed.setdefault(tag, kind) is not kind:
            raise UnknownTagError(
                f"the tag {tag} is claimed by {claimed[tag].__qualname__} and {kind.__qualname__}"
            )
    return msgspec.msgpack.Decoder(Union[ordered])  # noqa: UP007 - a run-time tuple


def concrete(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """Yield every tagged class below `base` that has been imported."""
    for kind in base.__subclasses__():
        # A class that gives no tag has its bare name for one: a base, never encoded.
        if "." in str(kind.__struct_config__.tag):
            yield kind
        yield from concrete(kind)


def all_messages() -> Iterator[type[Message]]:
    """Yield every message class that has been imported."""
    for kind in concrete(Message):
        assert issubclass(kind, Message), "below Message there are only messages"
        yield kind


class _Tagged(msgspec.Struct):
    tag: str


_peek = msgspec.msgpack.Decoder(_Tagged)


def tag_in(body: bytes) -> str:
    """Return the tag of an encoded message without decoding the rest; "?" if there is none."""
    try:
        return _peek.decode(body).tag
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "?"
