"""What a line of the log says, and whom it is about."""

import logging

# A traceback can be long; more of one line helps nobody and would fill the clients' outboxes.
TEXT_CHARACTERS_MAX = 8_000


def address_of(record: logging.LogRecord) -> str:
    """Return the actor that a record is about: its `address`, or a first argument that is one."""
    named = getattr(record, "address", "")
    if named:
        return str(named)
    arguments = record.args if isinstance(record.args, tuple) else ()
    first = arguments[0] if arguments else ""
    return first if isinstance(first, str) and first.startswith("/") else ""


def text_of(record: logging.LogRecord, most: int = TEXT_CHARACTERS_MAX) -> str:
    """Return a record's message with its traceback, at most about `most` characters."""
    text = record.getMessage()
    address = address_of(record)
    if address:
        # The address is a field of its own.
        text = text.removeprefix(address).removeprefix(": ")
    if record.exc_info and record.exc_info[0] is not None:
        text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
    return text if len(text) <= most else f"{text[:most]} …"
