"""A strategy's step compiled by numba: the very same source, with the functions it calls.

A step calls plain functions (indicators, its own helpers); numba calls only compiled ones. So
each is built again, with compiled ones in place of the plain ones. The live sleeve does not use
this: it runs the plain step, which is faster to call from Python, and the same to the last bit.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numba

# Only our own sources are compiled again; NamedTuples and numbers are taken as they are.
_OURS = "actors.sleeves."


def compiled(
    function: Callable[..., Any], made: dict[str, Any] | None = None
) -> Callable[..., Any]:
    """Return `function` compiled, with all functions of ours that it calls.

    Raises numba's `TypingError` at the first call of what is no step: a set, a string, an object.
    """
    assert isinstance(function, FunctionType), "a step is a plain function"
    done: dict[str, Any] = {} if made is None else made
    name = f"{function.__module__}.{function.__qualname__}"
    if name in done:
        return done[name]  # type: ignore[no-any-return] # made below
    names = dict(function.__globals__)
    for used in function.__code__.co_names:
        value = names.get(used)
        if isinstance(value, FunctionType) and value.__module__.startswith(_OURS):
            names[used] = compiled(value, done)
    again = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    done[name] = numba.njit(again)
    return done[name]  # type: ignore[no-any-return] # numba is untyped
