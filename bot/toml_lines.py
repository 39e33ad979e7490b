"""Where in a TOML text each key stands: the standard parser does not say."""

import re

KeyPath = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*(\]\]?)\s*(#.*)?$")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_.\s-])+?)\s*=""")


def lines_of(text: str) -> dict[KeyPath, int]:
    """Map each key and table header of a well-formed TOML text to its line, from 1.

    Array elements are numbered from 0. What stands inside an inline table or inside a value of
    several lines is not listed: ask `nearest_line`.
    """
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header is not None and len(header[1]) == len(header[3]):
            table = _table(_parts(header[2]), counts, is_array=header[1] == "[[")
            for length in range(1, len(table) + 1):
                found.setdefault(table[:length], number)
        elif (key := _KEY.match(line)) is not None:
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def nearest_line(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Return the line of `path`, or of the nearest thing around it; 0 if nothing is known."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


def _parts(dotted: str) -> list[str]:
    parts = []
    at = 0
    while (part := _PART.match(dotted, at)) is not None:
        parts.append(next(group for group in part.groups() if group is not None))
        at = part.end() + 1  # the dot
    return parts


def _table(names: list[str], counts: dict[KeyPath, int], *, is_array: bool) -> KeyPath:
    """Return the path of a table, with the newest element of each array of tables on the way."""
    path: KeyPath = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, names[-1])
    if is_array:
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path
