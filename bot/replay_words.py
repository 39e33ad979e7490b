"""A replay's steps in words."""

import json

from bot.text import time_of
from supervisor.replay import Step


def words(step: Step) -> str:
    """Write one step for a person: the message, what it changed in the state, its effects."""
    milliseconds = step.now_ns // 1_000_000 % 1_000
    at = f"{time_of(step.now_ns)[:-1]}.{milliseconds:03d}Z"
    head = f"#{step.seq}  {at}  from {step.sender}\n  {plain(step.message)}"
    lines = [f"    {change}" for change in step.changes]
    lines += [f"  → {plain(effect)}" for effect in step.effects]
    return "\n".join([head, *lines])


def plain(text: str) -> str:
    """Write the JSON object in `text` as `tag name=value …`; the rest of the text stays."""
    before, brace, _ = text.partition("{")
    if not brace:
        return text
    try:
        document, end = json.JSONDecoder().raw_decode(text, len(before))
    except json.JSONDecodeError:
        return text
    parts = [str(document.pop("tag", ""))]
    parts += [f"{name}={_value(value)}" for name, value in document.items() if value != ""]
    return f"{before}{' '.join(part for part in parts if part)}{text[end:]}"


def _value(value: object) -> str:
    if isinstance(value, str) and value and not value.isspace() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
