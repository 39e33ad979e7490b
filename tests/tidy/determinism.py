"""What a pure actor may not do, as far as its text shows it (docs/architecture.md, actors).

An actor's past is run again to know its state, so its handlers may depend on nothing but message,
state and context: no clock, randomness, environment or files, no order that a hash decides, no
memory outside the state.
"""

import ast
from collections.abc import Iterable, Iterator

from tests.tidy.rules import imported_modules
from tests.tidy.sources import Finding, Source

IMPURE_MODULES = frozenset(
    {
        "asyncio", "datetime", "io", "locale", "logging", "multiprocessing", "os", "pathlib",
        "random", "secrets", "select", "signal", "socket", "subprocess", "sys", "tempfile",
        "threading", "time", "trio", "uuid", "weakref", "gc", "numpy", "ccxt", "state", "exchanges",
        "venue", "supervisor.clock", "supervisor.ids", "supervisor.net", "supervisor.threads",
    }
)  # fmt: skip
IMPURE_CALLS = frozenset({"open", "input", "print", "id", "hash", "globals", "eval", "exec"})
MUTATORS = frozenset(
    {
        "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove",
        "setdefault", "update",
    }
)  # fmt: skip
# They give the same whatever the order in which they are given the elements.
ORDER_FREE = frozenset({"all", "any", "frozenset", "len", "max", "min", "set", "sorted"})
ORDERING = frozenset({"dict", "enumerate", "filter", "iter", "list", "map", "sum", "tuple", "zip"})
_Comprehension = ast.ListComp | ast.DictComp | ast.GeneratorExp


def pure_modules(sources: Iterable[Source]) -> list[Source]:
    """Return the modules of actors/ in which an actor is defined, and all that they import there.

    Ports and the assembly are not among them: they touch the outside, that is their work.
    """
    by_path = {source.path: source for source in sources if source.package == "actors"}
    found = {path for path, source in by_path.items() if _defines_actor(source)}
    waiting = list(found)
    while waiting:
        for _, module in imported_modules(by_path[waiting.pop()]):
            path = module.replace(".", "/")
            for candidate in (f"{path}.py", f"{path}/__init__.py"):
                if candidate in by_path and candidate not in found:
                    found.add(candidate)
                    waiting.append(candidate)
    return [by_path[path] for path in sorted(found)]


def _defines_actor(source: Source) -> bool:
    return any(
        isinstance(node, ast.ClassDef) and any(_name(base) == "Actor" for base in node.bases)
        for node in source.nodes
    )


def impurities(source: Source) -> Iterator[Finding]:
    """Find what makes a second run of the same messages differ."""
    for line, module in imported_modules(source):
        names = {module, module.partition(".")[0]}
        if names & IMPURE_MODULES:
            yield Finding(source.path, line, f"a pure actor imports no {module}: use its context")
    for node in source.nodes:
        if isinstance(node, ast.Global):
            yield Finding(source.path, node.lineno, "global: keep it in the state")
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id in IMPURE_CALLS:
            what = f"{called.id}() differs between runs, or touches the outside"
            yield Finding(source.path, called.lineno, what)
    yield from _set_orders(source)
    yield from _mutated_globals(source)


def _set_orders(source: Source) -> Iterator[Finding]:
    """Find where the order of a set's elements is used: it differs between processes."""
    sets = _names_of_sets(source)
    excused = {
        id(argument)
        for node in source.nodes
        if isinstance(node, ast.Call) and _name(node.func) in ORDER_FREE
        for argument in node.args
    }
    for node in source.nodes:
        used: list[ast.expr] = []
        if isinstance(node, ast.For):
            used = [node.iter]
        elif isinstance(node, _Comprehension) and id(node) not in excused:
            used = [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Starred):
            used = [node.value]
        elif isinstance(node, ast.Call) and _name(node.func) in {*ORDERING, "join", "fromkeys"}:
            used = list(node.args)
        for each in used:
            if _is_set(each, sets):
                message = "the order of a set differs between processes: sort it"
                yield Finding(source.path, each.lineno, message)


def _names_of_sets(source: Source) -> set[str]:
    found = set()
    for node in source.nodes:
        if isinstance(node, ast.Assign) and _is_set(node.value, set()):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if _name(node.annotation) in {"set", "frozenset"}:
                found.add(node.target.id)
        elif isinstance(node, ast.arg) and _name(node.annotation) in {"set", "frozenset"}:
            found.add(node.arg)
    return found


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call):
        return _name(node.func) in {"set", "frozenset"}
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return False


def _mutated_globals(source: Source) -> Iterator[Finding]:
    """Find functions that change what the module holds: it outlives the state."""
    held = {
        target.id
        for node in source.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    functions = [node for node in source.nodes if isinstance(node, ast.FunctionDef)]
    for function in functions:
        own = {argument.arg for argument in function.args.args}
        for node in ast.walk(function):
            name = _changed(node)
            if name in held - own and (source.path, function.name) not in REGISTRIES:
                line = getattr(node, "lineno", function.lineno)
                yield Finding(source.path, line, f"{name} outlives the state: keep it in there")


REGISTRIES = {("actors/sleeves/strategy.py", "register")}
"""Functions that fill a module's table while it is imported, before any actor runs."""


def _changed(node: ast.AST) -> str:
    """Return the name of what a statement or call changes in place; "" for none."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return _name(node.value)
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr in MUTATORS:
        return called.value.id if isinstance(called.value, ast.Name) else ""
    return ""


def _name(node: ast.expr | None) -> str:
    """Return the last name of an expression, through a type subscript."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
