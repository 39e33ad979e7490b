"""Lazy stand-ins for ccxt's packages, whose `__init__` modules import every exchange there is.

`import ccxt` runs 105 modules and takes 67 MB; `ccxt.pro` takes 100 MB. `install()` puts thin
package objects with the right search path into `sys.modules`, so that only the exchange asked for
and its bases are imported (43 MB). It must run before anything imports ccxt; every module here that
imports ccxt calls it first. Nothing of ccxt is changed: its files are read, never written.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro", "ccxt.prediction")


class _Names(NamedTuple):
    """What a package's real `__init__` binds, read from its source."""

    exchanges: tuple[str, ...]
    version: str | None
    imported: dict[str, tuple[str, str | None]]


class LazyPackage(ModuleType):
    """A package whose names are imported when they are first asked for.

    Asking for an exchange gives its class, as ccxt's own `__init__` would bind it, though the
    import system binds the submodule: ccxt says `class kraken(ccxt.async_support.kraken)`.
    """

    def __init__(self, name: str, names: _Names) -> None:
        super().__init__(name)
        object.__setattr__(self, "exchanges", list(names.exchanges))
        object.__setattr__(self, "_imported", names.imported)
        object.__setattr__(self, "__version__", names.version)

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name in self.__dict__["exchanges"]:
            value = getattr(value, name, value)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as dynamic as a package
        own = self.__dict__
        if name in own.get("exchanges", ()):
            importlib.import_module(f"{own['__name__']}.{name}")
            return own[name]
        if name in own.get("_imported", {}):
            module_name, attribute = own["_imported"][name]
            module = importlib.import_module(module_name)
            value = module if attribute is None else getattr(module, attribute)
            own[name] = value
            return value
        raise AttributeError(f"module {own['__name__']!r} has no attribute {name!r}")


def _names_of(init_file: Path) -> _Names:
    exchanges: tuple[str, ...] = ()
    version: str | None = None
    imported: dict[str, tuple[str, str | None]] = {}
    for node in ast.parse(init_file.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="exchanges")], value=ast.List(elts=elements)):
                exchanges = tuple(ast.literal_eval(element) for element in elements)
            case ast.Assign(targets=[ast.Name(id="__version__")], value=ast.Constant(value=text)):
                version = str(text)
            case ast.ImportFrom(module=str(module), names=aliases):
                for alias in aliases:
                    imported[alias.asname or alias.name] = _target(module, alias.name)
    for name in exchanges:
        imported.pop(name, None)
    imported.pop("*", None)
    return _Names(exchanges, version, imported)


def _target(module: str, name: str) -> tuple[str, str | None]:
    # `from ccxt.base import errors` names a submodule, every other such line a name in a module.
    return (
        (f"{module}.{name}", None) if (module, name) == ("ccxt.base", "errors") else (module, name)
    )


def installed() -> bool:
    """Return whether the stand-ins are in place."""
    return isinstance(sys.modules.get("ccxt"), LazyPackage)


def install() -> None:
    """Put the stand-ins in place, once. Does nothing when ccxt was imported the ordinary way.

    Raises `ModuleNotFoundError` when ccxt is not installed.
    """
    if "ccxt" in sys.modules:
        return
    spec = importlib.util.find_spec("ccxt")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("ccxt is not installed: run `make install`", name="ccxt")
    root = Path(spec.origin).parent
    for name in PACKAGES:
        _install_package(name, root.joinpath(*name.split(".")[1:]))


def _install_package(name: str, folder: Path) -> None:
    init_file = folder / "__init__.py"
    package = LazyPackage(name, _names_of(init_file))
    spec = importlib.machinery.ModuleSpec(name, None, origin=str(init_file), is_package=True)
    spec.submodule_search_locations = [str(folder)]
    package.__path__ = [str(folder)]
    package.__file__ = str(init_file)
    package.__package__ = name
    package.__spec__ = spec
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)
