"""`bot tree`."""

from collections.abc import Iterator

import click

from bot.shared import (
    as_of_ns,
    ask,
    at_option,
    data_dir_option,
    json_option,
    new_request_id,
    print_row,
    say_then,
)
from bot.text import table
from messages.control import Tree
from messages.views import TreeNode


@click.command("tree")
@click.argument("address", default="/")
@at_option
@data_dir_option
@json_option
def command(address: str, at: str | None, data_dir: str | None, *, as_json: bool) -> None:
    r"""Show the supervision tree at and below ADDRESS, by default all of it.

    With --at it shows what was recorded by then: what each actor had handled, what sleeves said of
    themselves. Where it says `no record`, nothing is kept of the past.

    \b
    Example:
      bot tree
      bot tree /users/alice

    \b
    JSON: nested objects with address, kind, state, incarnation, restarts, mailbox, handled,
    children.
    Exit codes: 0 ok, 1 no such address, 5 not running.
    """
    then_ns = as_of_ns(at)
    request = Tree(request_id=new_request_id(), address=address, as_of_ns=then_ns)
    (row,) = ask(data_dir, request, "tree").rows
    assert isinstance(row, TreeNode), "the answer to Tree is a TreeNode"
    if as_json:
        print_row(row)
        return
    say_then(then_ns)
    headings = ("address", "kind", "state", "starts", "restarts", "mailbox", "handled")
    click.echo(table(headings, list(_lines(row, 0)), right=(3, 4, 5, 6)))


def _lines(node: TreeNode, depth: int) -> Iterator[tuple[str, ...]]:
    name = node.address if depth == 0 else node.address.rpartition("/")[2]
    is_well = node.state == "running" or not node.reason
    yield (
        "  " * depth + name,
        node.kind,
        node.state if is_well else f"{node.state}: {node.reason}",
        *_now_only(node),
        str(node.handled),
    )
    for child in node.children:
        yield from _lines(child, depth + 1)


def _now_only(node: TreeNode) -> tuple[str, str, str]:
    """Return what is counted and not recorded: blank in the past, where nothing was started."""
    if not node.incarnation:
        return "", "", ""
    return str(node.incarnation), str(node.restarts), str(node.mailbox)
