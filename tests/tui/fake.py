"""A control server for tests: asyncio, plausible rows, and every misbehaviour at a switch."""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from messages import control, views
from messages.control import Answer, Outcome, View
from messages.framing import ProtocolError, encode_frame
from messages.readers import server_reader

NOON_NS = 1_795_262_587_000_000_000  # 2026-11-21T12:03:07Z
S_NS = 1_000_000_000
SLEEVES = "/users/alice/vaults/kraken-sim-usdt/sleeves"


def tree_row(address: str, place: int, kind: str = "actor", **changes: object) -> views.TreeRow:
    parent = "" if address == "/" else address.rsplit("/", 1)[0] or "/"
    row = views.TreeRow(
        address=address,
        parent=parent,
        place=place,
        kind=kind,
        state="running",
        incarnation=1,
        restarts=0,
        mailbox=0,
        handled=place * 991,
        strategy="one_for_one" if kind == "supervisor" else "",
    )
    return msgspec.structs.replace(row, **changes)


def sleeve(name: str, style: str, **changes: object) -> views.SleeveView:
    row = views.SleeveView(
        address=f"{SLEEVES}/{name}",
        sleeve=name,
        style=style,
        strategy="buy-low",
        symbol="ETH/USDT",
        state="active",
        allocated="2000.00",
        cash="1240.10",
        reserved="340.00",
        position="0.1250",
        average_entry="3412.50",
        realised="12.40",
        unrealised="-1.06",
        fees="0.88",
        swept="9.10",
    )
    return msgspec.structs.replace(row, **changes)


def vault(*sleeves: views.SleeveView) -> views.VaultView:
    return views.VaultView(
        address="/users/alice/vaults/kraken-sim-usdt/ledger",
        asset="USDT",
        total="10012.40",
        tradeable="5000.00",
        reserve="500.00",
        sleeves=sleeves,
        user="alice",
        vault="kraken-sim-usdt",
        venue="kraken-sim",
        environment="sim",
        remaining="1000.00",
        realised="12.40",
        unrealised="-1.06",
        fees="1.20",
    )


def order(number: int, **changes: object) -> views.OrderView:
    buy = number % 2 == 0
    row = views.OrderView(
        client_order_id=f"c0ffee-{number:04d}",
        venue_order_id=f"OABC{number:03d}",
        environment="sim",
        venue="kraken-sim",
        user="alice",
        vault="kraken-sim-usdt",
        sleeve="quiet" if number % 3 else "flash",
        symbol="ETH/USDT",
        side="buy" if buy else "sell",
        type="limit",
        quantity="0.12500000",
        price=f"{3400 + number % 50}.10",
        filled="0.00000000" if number % 5 == 0 else "0.12500000",
        average_price="" if number % 5 == 0 else f"{3400 + number % 50}.10",
        state="open" if number % 5 == 0 else "filled",
        created_ns=NOON_NS + number * S_NS,
        updated_ns=NOON_NS + number * S_NS,
    )
    return msgspec.structs.replace(row, **changes)


def fill(number: int) -> views.FillView:
    return views.FillView(
        exec_id=f"T{number:05d}",
        client_order_id=f"c0ffee-{number:04d}",
        environment="sim",
        venue="kraken-sim",
        sleeve="quiet" if number % 3 else "flash",
        symbol="ETH/USDT",
        side="buy" if number % 2 == 0 else "sell",
        quantity="0.12500000",
        price=f"{3400 + number % 50}.10",
        fee="1.10500000",
        fee_asset="USDT",
        liquidity="maker" if number % 2 else "taker",
        at_ns=NOON_NS + number * S_NS,
        user="alice",
        vault="kraken-sim-usdt",
    )


def log_line(number: int, text: str = "", level: str = "info") -> views.LogLine:
    return views.LogLine(
        number=number,
        at_ns=NOON_NS + number * S_NS,
        level=level,
        address=f"{SLEEVES}/flash" if number % 2 else "/risk",
        text=text or f"line {number}: entry at 3412.50, holding 0.125 ETH",
    )


def status(**changes: object) -> views.StatusView:
    row = views.StatusView(
        state="running",
        uptime_s=3_600,
        environment="sim",
        actors=23,
        restarts=1,
        orders=40,
        fills=32,
        trading=True,
        orders_open=8,
        realised=(views.AssetAmount(asset="USDT", amount="12.40"),),
    )
    return msgspec.structs.replace(row, **changes)


def plausible_tree() -> list[views.TreeRow]:
    supervisors = (
        "/", "/venues", "/venues/kraken-sim", "/venues/kraken-sim/public",
        "/venues/kraken-sim/accounts", "/venues/kraken-sim/accounts/alice", "/users",
        "/users/alice", "/users/alice/vaults", "/users/alice/vaults/kraken-sim-usdt", SLEEVES,
    )  # fmt: skip
    actors = (
        "/store", "/control", "/risk", "/liveness", "/venues/kraken-sim/limits",
        "/venues/kraken-sim/public/connection", "/venues/kraken-sim/public/eth-usdt",
        "/venues/kraken-sim/accounts/alice/line", "/venues/kraken-sim/accounts/alice/orders",
        "/venues/kraken-sim/accounts/alice/reconcile", "/users/alice/profile",
        "/users/alice/vaults/kraken-sim-usdt/ledger", "/users/alice/vaults/kraken-sim-usdt/guard",
        f"{SLEEVES}/flash", f"{SLEEVES}/quiet",
    )  # fmt: skip
    rows = [tree_row(address, place, "supervisor") for place, address in enumerate(supervisors)]
    rows += [tree_row(address, 100 + place) for place, address in enumerate(actors)]
    ill = {"state": "backoff", "restarts": 1, "incarnation": 2, "reason": "socket closed by peer"}
    rows[16] = msgspec.structs.replace(rows[16], **ill)
    return rows


class Peer:
    """One connected client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.hello: control.Hello | None = None
        self.seq: dict[View, int] = {}

    def send(self, frame: msgspec.Struct) -> None:
        self.writer.write(encode_frame(frame))


class FakeDaemon:
    """Speaks the daemon's side of `messages/control.py`; tests change its rows and its manners."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boot_id = "boot-1"
        self.started_ns = NOON_NS - 3_600 * S_NS
        self.read_only = False
        self.silent = False
        self.protocol = control.PROTOCOL_VERSION
        self.rows: dict[View, dict[str, views.AnyView]] = {}
        self.requests: list[control.ClientFrame] = []
        self.fates: dict[str, Answer] = {}
        self.answer: Callable[[control.ClientFrame], Answer | None] = _agree
        self.peers: list[Peer] = []
        self._server: asyncio.Server | None = None
        self.load(View.STATUS, [status()])
        self.load(View.TREE, plausible_tree())
        self.load(View.VAULTS, [vault(sleeve("quiet", "quiet"), sleeve("flash", "flash"))])
        self.load(View.ORDERS, [order(number) for number in range(40)])
        self.load(View.FILLS, [fill(number) for number in range(40) if number % 5])
        self.load(View.LOG, [log_line(number) for number in range(1, 61)])

    def load(self, view: View, rows: Iterable[views.AnyView]) -> None:
        self.rows[view] = {row.key(): row for row in rows}

    def change(self, view: View, *rows: views.AnyView, removed: tuple[str, ...] = ()) -> None:
        """Change rows and tell every subscriber at once."""
        for row in rows:
            self.rows[view][row.key()] = row
        for key in removed:
            self.rows[view].pop(key, None)
        for peer in self.peers:
            if view in peer.seq and not self.silent:
                peer.seq[view] += 1
                peer.send(
                    control.Delta(view=view, seq=peer.seq[view], changed=rows, removed=removed)
                )

    def acts(self) -> list[control.ClientFrame]:
        return [frame for frame in self.requests if isinstance(frame, control.Act)]

    @property
    def subscribed(self) -> set[View]:
        return {view for peer in self.peers for view in peer.seq}

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, path=self.path)

    async def stop(self) -> None:
        assert self._server is not None, "stop follows start"
        self._server.close()
        for peer in list(self.peers):
            peer.writer.close()
        await self._server.wait_closed()
        # Python 3.13 removes the socket file by itself.
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = server_reader()
        peer = Peer(writer)
        self.peers.append(peer)
        try:
            while data := await reader.read(65_536):
                for frame in frames.feed(data):
                    self._take(peer, frame)
        except (ProtocolError, ConnectionError, asyncio.CancelledError):
            # The loop ends with the test; the stream's callback would complain of a cancelled task.
            pass
        finally:
            self.peers.remove(peer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _take(self, peer: Peer, frame: control.ClientFrame) -> None:
        self.requests.append(frame)
        if self.silent:
            return
        match frame:
            case control.Hello():
                peer.hello = frame
                peer.send(self._welcome())
            case control.Ping():
                peer.send(
                    control.Pong(
                        number=frame.number, sent_ns=frame.sent_ns, now_ns=NOON_NS, loop_lag_ns=0
                    )
                )
            case control.Subscribe():
                peer.seq[frame.view] = seq = peer.seq.get(frame.view, 100) + 1
                rows = tuple(
                    row for row in self.rows[frame.view].values()
                    if views.matches(row, frame.filter)
                )  # fmt: skip
                peer.send(control.Snapshot(view=frame.view, seq=seq, rows=rows))
            case control.Unsubscribe():
                peer.seq.pop(frame.view, None)
            case control.Fate():
                known = self.fates.get(frame.of)
                outcome = known.outcome if known else Outcome.UNKNOWN
                text = known.text if known else ""
                peer.send(Answer(request_id=frame.request_id, outcome=outcome, text=text))
            case _:
                answer = self.answer(frame)
                if answer is not None:
                    self.fates[answer.request_id] = answer
                    peer.send(answer)

    def _welcome(self) -> control.Welcome:
        return control.Welcome(
            protocol=self.protocol,
            daemon_version="0.1.0",
            boot_id=self.boot_id,
            pid=4242,
            started_ns=self.started_ns,
            now_ns=NOON_NS,
            config_hash="c0ffee",
            environment="sim",
            read_only=self.read_only,
        )


def _agree(frame: control.ClientFrame) -> Answer | None:
    assert isinstance(frame, control.Request), "only requests are answered"
    return Answer(request_id=frame.request_id, outcome=Outcome.OK, text="as you wish")


@asynccontextmanager
async def daemon(path: Path) -> AsyncIterator[FakeDaemon]:
    server = FakeDaemon(path)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def stir(server: FakeDaemon, per_second: float, changes: int) -> None:
    """Change some sleeves, orders and actors for ever, as a bot that trades does."""
    for turn in itertools.count(1):
        await asyncio.sleep(1 / per_second)
        tree = list(server.rows[View.TREE].values())
        for number in range(changes):
            row = tree[(turn * 5 + number) % len(tree)]
            assert isinstance(row, views.TreeRow)
            # A small number, so that every change is one that the screen shows: `handled` is
            # written as `104k`, which most changes leave as it is.
            busy = msgspec.structs.replace(row, mailbox=(row.mailbox + 7) % 90)
            server.change(View.TREE, busy)
        server.change(
            View.VAULTS,
            vault(
                sleeve("quiet", "quiet", unrealised=f"{turn % 40 / 7:.2f}"),
                sleeve("flash", "flash", realised=f"{12.4 + turn / 10:.2f}"),
            ),
        )


async def _demo(path: Path) -> None:
    async with daemon(path) as server:
        numbers = itertools.count(61)
        stirring = asyncio.create_task(stir(server, 2, 5))
        try:
            while True:
                await asyncio.sleep(1)
                number = next(numbers)
                server.change(View.LOG, log_line(number))
                server.change(View.ORDERS, order(number))
        finally:
            stirring.cancel()


if __name__ == "__main__":
    asyncio.run(_demo(Path(sys.argv[1])))
