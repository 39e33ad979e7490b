"""The envelope of every REST answer, and how the rows of a batch decide its code."""

from collections.abc import Mapping, Sequence

import msgspec

Row = Mapping[str, object] | list[object]


def outcome(rows: Sequence[Row]) -> tuple[str, str]:
    """Return code and text: 0 for success, 1 when all rows failed, 2 when some did."""
    failed = sum(isinstance(row, Mapping) and row.get("sCode", "0") != "0" for row in rows)
    if not failed:
        return "0", ""
    if failed == len(rows):
        return "1", "All operations failed"
    return "2", "Bulk operation partially succeeded"


def success(rows: Sequence[Row]) -> bytes:
    """Return an answer with rows."""
    code, text = outcome(rows)
    return msgspec.json.encode({"code": code, "msg": text, "data": list(rows)})


def failure(code: str, text: str) -> bytes:
    """Return an answer without any."""
    return msgspec.json.encode({"code": code, "msg": text, "data": []})
