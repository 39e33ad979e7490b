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
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])

OLD_CACHES_KEPT = 2
"""A cache is 4 MB and each edit of a kernel makes one; a process of an older version may run."""
_PACKAGE = Path(__file__).parent
_entry_points: list[Callable[[], None]] = []


def sources_digest() -> str:
    """Digest of everything that decides what a compiled kernel does: our sources and numba."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_PACKAGE.glob("*.py")):
        content = source.read_bytes()
        if b"@kernel" in content or b"@helper" in content:
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


def forget_old_caches(folder: Path) -> None:
    """Remove the caches of former sources beside `folder`, but for the newest few."""
    others = [path for path in folder.parent.glob("kernels-*") if path != folder]
    for old in sorted(others, key=_made_at, reverse=True)[OLD_CACHES_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def _made_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process was faster


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
    """Make `function` a kernel that Python may call, compiled by `warm()` or its first call."""
    if _folder is None:
        return cast(_Function, numba.njit(function))
    with _cache_location():
        return cast(_Function, numba.njit(cache=True)(function))


def plain(function: _Function) -> _Function:
    """Return the Python function that a kernel was made of: for integers of any size."""
    return cast(_Function, getattr(function, "py_func", function))


def helper(function: _Function) -> _Function:
    """Make `function` a kernel that only kernels call: it is compiled into them.

    It needs no wrapper for Python and no cache entry of its own, which halves the time that a
    cold compilation takes.
    """
    jit = cast(Any, numba).njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return cast(_Function, jit(function))


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
    """Compile or load every registered kernel that is not yet. Idempotent.

    Cold it takes about 20 seconds, from the cache some tenths. Call it before anything that has
    a deadline, and once when installing.
    """
    if _entry_points and _folder is not None:
        forget_old_caches(_folder)
    while _entry_points:
        _entry_points.pop(0)()
