"""What people and scripts are shown: the rows of the control socket and of every verb's `--json`.

The field names of `StatusView`, `TreeNode`, `VaultView`, `OrderView` and `FillView` are the
product's contract with scripts: names are only ever added. Amounts, quantities and prices are
decimal strings in the unit that the row names; an amount that does not exist (a market order's
price) is the empty string. Times are int64 UTC nanoseconds. The integer rows of the database are in
`messages/rows.py`.
"""

from collections.abc import Iterable, Sequence

import msgspec

# A supervision tree is about eight levels deep; what is deeper than this is a loop of parents.
TREE_DEPTH_MAX = 64


class ViewRow(msgspec.Struct, frozen=True, kw_only=True, tag_field="tag"):
    """The base of everything shown; unlike messages, default values are written out too."""

    def key(self) -> str:
        """Return what identifies this row within its view; a row with the same key replaces it."""
        raise TypeError(f"{type(self).__name__} does not say what identifies it")


class AssetAmount(msgspec.Struct, frozen=True, kw_only=True):
    """An amount of one asset."""

    asset: str
    amount: str


class StatusView(ViewRow, frozen=True, kw_only=True, tag="view.Status"):
    """The whole bot in one row."""

    state: str
    """starting, running, degraded (something is halted or quarantined) or stopping."""
    uptime_s: int
    environment: str
    """sim, paper or live; several are joined with `+`."""
    actors: int
    """Actors and ports that run now."""
    restarts: int
    """Restarts of any child since this boot."""
    orders: int
    """Orders ever recorded in this database."""
    fills: int
    """Fills ever recorded in this database."""
    trading: bool
    """New entries are possible: the kill switch is off and some account is ACTIVE."""
    orders_open: int = 0
    mode: str = "active"
    """The most careful mode that any account is in: active, reducing, exits_only or halted."""
    kill_switch: bool = False
    kill_reason: str = ""
    realised: tuple[AssetAmount, ...] = ()
    """Realised profit and loss over all vaults, one entry per asset."""
    unrealised: tuple[AssetAmount, ...] = ()
    loop_lag_ns: int = 0
    memory_bytes: int = 0
    quarantined: int = 0
    version: str = ""
    boot_id: str = ""
    pid: int = 0
    config_hash: str = ""
    at_ns: int = 0
    shadow: str = ""
    """What the newest shadow replay found, in words."""
    shadow_diverged: int = 0
    """How often an actor came out differently since the start."""
    feeds: str = ""
    """How market data stands, in words."""
    feeds_ill: bool = False
    """A symbol is untrusted, or a venue's clock too far from ours."""

    def key(self) -> str:
        return "status"


class TreeRow(ViewRow, frozen=True, kw_only=True, tag="view.TreeRow"):
    """One supervisor, actor or port as the tree view streams it: flat, so that deltas are small."""

    address: str
    """Absolute; the root's is `/`."""
    parent: str
    """The supervisor's address; empty for the root."""
    place: int
    """Its place among its siblings, in start order from 0."""
    kind: str
    """supervisor, bulkhead, actor, port or process."""
    state: str
    """starting, running, restoring, backoff, suspended, blocked, halted, stopping or stopped."""
    incarnation: int
    restarts: int
    mailbox: int
    handled: int
    reason: str = ""
    """Why it is not running, or why it was last restarted."""
    strategy: str = ""
    """A supervisor's: one_for_one, rest_for_one, ..."""

    def key(self) -> str:
        return self.address


class TreeNode(ViewRow, frozen=True, kw_only=True, tag="view.TreeNode"):
    """One node with all below it: the document of `bot tree --json`."""

    address: str
    kind: str
    state: str
    incarnation: int
    restarts: int
    mailbox: int
    handled: int
    children: tuple["TreeNode", ...]
    reason: str = ""
    strategy: str = ""

    def key(self) -> str:
        return self.address


class SleeveView(ViewRow, frozen=True, kw_only=True, tag="view.Sleeve"):
    """One sleeve of a vault; money in the vault's asset, position in the symbol's base.

    A short position is below zero.
    """

    address: str
    sleeve: str
    style: str
    """quiet or flash."""
    strategy: str
    symbol: str
    state: str
    """active, pausing, paused, reconciling, untrusted, frozen or idle."""
    allocated: str
    cash: str
    reserved: str
    position: str
    average_entry: str
    realised: str
    unrealised: str
    fees: str
    swept: str
    """Profit that a Flash sleeve has returned so far."""
    reason: str = ""
    funding: str = "0"
    """Of perpetuals: received, or below zero paid; a part of `realised`."""
    margin: str = "0"
    """Of perpetuals: what the position holds."""

    def key(self) -> str:
        return self.address


class VaultView(ViewRow, frozen=True, kw_only=True, tag="view.Vault"):
    """One vault with its sleeves; money in its own asset."""

    address: str
    asset: str
    total: str
    tradeable: str
    reserve: str
    sleeves: tuple[SleeveView, ...]
    user: str = ""
    vault: str = ""
    venue: str = ""
    environment: str = ""
    mode: str = "active"
    remaining: str = "0"
    """Tradeable that no sleeve has been given."""
    realised: str = "0"
    unrealised: str = "0"
    fees: str = "0"
    funding: str = "0"
    """Of perpetuals: received, or below zero paid; a part of `realised`."""

    def key(self) -> str:
        return self.address


class OrderView(ViewRow, frozen=True, kw_only=True, tag="view.Order"):
    """One order as it stands; quantities in the symbol's base, prices in its quote."""

    client_order_id: str
    venue_order_id: str
    environment: str
    venue: str
    user: str
    vault: str
    sleeve: str
    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    """Empty for a market order."""
    filled: str
    average_price: str
    """Empty until something is filled."""
    state: str
    created_ns: int
    updated_ns: int
    reason: str = ""

    def key(self) -> str:
        return self.client_order_id


class FillView(ViewRow, frozen=True, kw_only=True, tag="view.Fill"):
    """One execution."""

    exec_id: str
    client_order_id: str
    environment: str
    venue: str
    sleeve: str
    symbol: str
    side: str
    quantity: str
    price: str
    fee: str
    fee_asset: str
    liquidity: str
    """maker or taker."""
    at_ns: int
    user: str = ""
    vault: str = ""

    def key(self) -> str:
        return f"{self.venue}/{self.user}/{self.exec_id}"


class LogLine(ViewRow, frozen=True, kw_only=True, tag="view.LogLine"):
    """One line of the log."""

    number: int
    """Dense and rising within one boot, from 1."""
    at_ns: int
    level: str
    """debug, info, warning, error or critical."""
    address: str
    """The actor that it is about; empty for the runtime itself."""
    text: str

    def key(self) -> str:
        return str(self.number)


class BalanceView(ViewRow, frozen=True, kw_only=True, tag="view.Balance"):
    """One account of a vault's books."""

    vault: str
    """The vault's address."""
    account: str
    asset: str
    balance: str

    def key(self) -> str:
        return f"{self.vault}:{self.account}:{self.asset}"


class CheckView(ViewRow, frozen=True, kw_only=True, tag="view.Check"):
    """One question that was asked of the books or of the installation, and its answer."""

    name: str
    agreed: bool
    detail: str
    """What was compared and, if it did not agree, by how much and what to do next."""
    at_ns: int = 0

    def key(self) -> str:
        return self.name


class MomentView(ViewRow, frozen=True, kw_only=True, tag="view.Moment"):
    """When something was recorded."""

    at_ns: int

    def key(self) -> str:
        return "moment"


class ChangeView(ViewRow, frozen=True, kw_only=True, tag="view.Change"):
    """One difference between `bot.toml` and what runs, and what becomes of it."""

    subject: str
    """An address, or a key of `bot.toml`."""
    change: str
    """added, changed, removed."""
    detail: str
    takes_effect: str
    """now, next start, refused."""

    def key(self) -> str:
        return f"{self.subject} {self.change}"


AnyView = (
    StatusView
    | TreeRow
    | TreeNode
    | VaultView
    | SleeveView
    | OrderView
    | FillView
    | LogLine
    | BalanceView
    | CheckView
    | MomentView
    | ChangeView
)


def nest(rows: Iterable[TreeRow]) -> TreeNode:
    """Return the tree that the flat `rows` describe; raise `ValueError` if it is not one tree."""
    children: dict[str, list[TreeRow]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    roots = children.get("", [])
    if len(roots) != 1:
        raise ValueError(f"a tree has one root, this one has {len(roots)}: ask for the tree again")
    return _node(roots[0], children, 0)


def flatten(node: TreeNode, parent: str = "", place: int = 0) -> Iterable[TreeRow]:
    """Yield the rows that describe a tree, parents before their children: `nest` backwards."""
    yield TreeRow(
        address=node.address,
        parent=parent,
        place=place,
        kind=node.kind,
        state=node.state,
        incarnation=node.incarnation,
        restarts=node.restarts,
        mailbox=node.mailbox,
        handled=node.handled,
        reason=node.reason,
        strategy=node.strategy,
    )
    for at, child in enumerate(node.children):
        yield from flatten(child, node.address, at)


def _node(row: TreeRow, children: dict[str, list[TreeRow]], depth: int) -> TreeNode:
    if depth > TREE_DEPTH_MAX:
        raise ValueError(f"{row.address} lies more than {TREE_DEPTH_MAX} levels deep: a loop?")
    below = sorted(children.get(row.address, ()), key=lambda child: (child.place, child.address))
    return TreeNode(
        address=row.address,
        kind=row.kind,
        state=row.state,
        incarnation=row.incarnation,
        restarts=row.restarts,
        mailbox=row.mailbox,
        handled=row.handled,
        children=tuple(_node(child, children, depth + 1) for child in below),
        reason=row.reason,
        strategy=row.strategy,
    )


def matches(row: ViewRow, filter_text: str) -> bool:
    """Say whether `row` passes a filter: the grammar of `/` and of `Subscribe.filter`.

    Words are separated by blanks and compared without case. Each plain word must occur in some text
    field of the row (or of a nested row); a word with `!` before it must occur in none.
    """
    words = filter_text.casefold().split()
    if not words:
        return True
    text = "\n".join(_texts(row)).casefold()
    return all(
        (word[1:] not in text) if word.startswith("!") and len(word) > 1 else (word in text)
        for word in words
    )


def _texts(row: msgspec.Struct) -> Iterable[str]:
    for value in msgspec.structs.astuple(row):
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, msgspec.Struct):
                    yield from _texts(item)


def json_document(shown: ViewRow | Sequence[ViewRow]) -> bytes:
    """Encode one row, or a list, as the one JSON document that `--json` prints, without tags."""
    plain = msgspec.to_builtins(shown)
    _untag(plain)
    return msgspec.json.encode(plain)


def _untag(plain: object) -> None:
    if isinstance(plain, dict):
        plain.pop("tag", None)
        for value in plain.values():
            _untag(value)
    elif isinstance(plain, list | tuple):
        for item in plain:
            _untag(item)
