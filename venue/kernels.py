"""Where numba kernels are compiled and cached.

A kernel is an ordinary function decorated with `@kernel`. Nothing is compiled at import; `warm()`
compiles every registered entry point for its one fixed signature, or loads it from the cache.

**Where the cache lies.** Numba notices an edit only in the file that holds the entry point, not in
the helpers it inlines from other files, so it would serve stale code. The cache folder is
therefore named by a digest of every kernel source in this package and of numba's version:
`kernels-<digest>` under the first of these that can be written: `NUMBA_CACHE_DIR` (numba's own
setting), this package's `__pycache__`, `~/.cache/canopy`. Where none can (a read-only install
without a home) kernels are compiled in memory at each start: slower, never wrong.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])

_PACKAGE = Path(__file__).parent
_entry_points: list[Callable[[], None]] = []


def sources_digest() -> str:
    """Digest of everything that decides what a compiled kernel does: our sources and numba."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_PACKAGE.glob("*.py")):
        content = source.read_bytes()
        if b"@kernel" in content:
            digest.update(source.name.encode() + b"\0" + content)
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """Find the folder for compiled kernels, making it if need be; None if none can be written."""
    name = f"kernels-{sources_digest()}"
    configured = getattr(numba.config, "CACHE_DIR", "")
    candidates = [Path(configured)] if configured else []
    candidates.append(_PACKAGE / "__pycache__")
    with suppress(RuntimeError):  # a service may have no home
        candidates.append(Path.home() / ".cache" / "canopy")
    for parent in candidates:
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return None


_folder = cache_folder()


@contextmanager
def _cache_location() -> Iterator[None]:
    # Numba decides on the location while decorating, from this setting; nobody else's kernels
    # may be moved, so it is put back at once.
    settings = cast(Any, numba.config)
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_folder)
    try:
        yield
    finally:
        settings.CACHE_DIR = before


def kernel(function: _Function) -> _Function:
    """Make `function` a compiled kernel; it is compiled at its first call or by `warm()`."""
    if _folder is None:
        return cast(_Function, numba.njit(function))
    with _cache_location():
        return cast(_Function, numba.njit(cache=True)(function))


def entry_point(function: Callable[..., object], example: Callable[[], tuple[Any, ...]]) -> None:
    """Register `function` for `warm()`; `example()` gives arguments of its one signature.

    The example is only looked at for its types, the kernel is not run.
    """

    def compile_it() -> None:
        dispatcher, typeof = cast(Any, function), cast(Any, numba).typeof
        if not hasattr(dispatcher, "compile"):
            return  # NUMBA_DISABLE_JIT: kernels are plain Python then
        if not dispatcher.signatures:
            dispatcher.compile(tuple(typeof(argument) for argument in example()))
            dispatcher.disable_compile()

    _entry_points.append(compile_it)


def warm() -> None:
    """Compile or load every registered kernel. Idempotent.

    Cold it takes some seconds, from the cache some tenths; call it before anything that has a
    deadline.
    """
    for compile_it in _entry_points:
        compile_it()
