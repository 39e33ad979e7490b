import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from messages import control
from messages.control import Answer, Outcome, View
from tests.tui.driving import client_for, eventually, run, running
from tests.tui.fake import FakeDaemon, daemon, order
from tui import client as client_module
from tui.client import Client, Link
from tui.store import Store


def scenario(folder: Path, body: Callable[[Client, Store, FakeDaemon], Awaitable[None]]) -> None:
    async def inner() -> None:
        async with daemon(folder / "control.sock") as server:
            store = Store()
            client = client_for(server.path, store)
            async with running(client.run()):
                await eventually(lambda: client.link() is Link.LIVE, "the connection")
                await body(client, store, server)

    run(inner())


def _holds(store: Store, orders: int) -> bool:
    return len(store.orders()) == orders


def _counts(seen: list[str], wanted: int) -> bool:
    return len(seen) == wanted


def pause(client: Client) -> control.Pause:
    return control.Pause(request_id=client.new_id())


def test_it_reconnects_for_ever_and_wants_what_it_wanted(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        client.show([control.Subscribe(view=View.ORDERS)])
        await eventually(lambda: View.ORDERS in store.loaded)
        for turn in range(4):
            await server.stop()
            await eventually(lambda: client.link() is Link.DOWN, "the loss")
            server.change(View.ORDERS, order(100 + turn))
            await server.start()
            await eventually(lambda: client.link() is Link.LIVE, "the way back")
            await eventually(partial(_holds, store, 41 + turn), "the news")

    scenario(tmp_path, body)


def test_an_act_whose_answer_was_lost_is_asked_about_and_never_sent_again(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        server.answer = lambda frame: None
        asked = asyncio.create_task(client.ask(pause(client)))
        await eventually(lambda: len(server.acts()) == 1)
        (act,) = server.acts()
        assert isinstance(act, control.Pause)
        await server.stop()
        await eventually(lambda: client.doubts() == 1)
        server.fates[act.request_id] = Answer(
            request_id=act.request_id, outcome=Outcome.OK, text="paused before the line broke"
        )
        await server.start()
        answer = await asked
        assert (answer.outcome, answer.text) == (Outcome.OK, "paused before the line broke")
        assert client.doubts() == 0
        assert len(server.acts()) == 1

    scenario(tmp_path, body)


def test_an_act_without_a_record_stays_unknown(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        server.answer = lambda frame: None
        asked = asyncio.create_task(client.ask(pause(client)))
        await eventually(lambda: len(server.acts()) == 1)
        await server.stop()
        server.boot_id = "boot-2"
        await server.start()
        answer = await asked
        assert answer.outcome is Outcome.UNKNOWN
        assert "look at the state" in answer.text
        assert len(server.acts()) == 1

    scenario(tmp_path, body)


def test_a_query_is_answered_with_an_error_when_the_line_breaks(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        server.answer = lambda frame: None
        asked = asyncio.create_task(client.ask(control.Status(request_id=client.new_id())))
        await eventually(lambda: any(isinstance(f, control.Status) for f in server.requests))
        await server.stop()
        assert (await asked).outcome is Outcome.ERROR

    scenario(tmp_path, body)


def test_nothing_is_sent_while_down(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        await server.stop()
        await eventually(lambda: client.link() is Link.DOWN)
        answer = await client.ask(pause(client))
        assert answer.outcome is Outcome.DENIED
        await server.start()
        await eventually(lambda: client.link() is Link.LIVE)
        assert server.acts() == []

    scenario(tmp_path, body)


def test_requests_in_flight_are_bounded(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        server.answer = lambda frame: None
        asked = [
            asyncio.create_task(client.ask(pause(client))) for _ in range(control.REQUESTS_MAX)
        ]
        await eventually(lambda: len(server.acts()) == control.REQUESTS_MAX)
        assert (await client.ask(pause(client))).outcome is Outcome.DENIED
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)

    scenario(tmp_path, body)


def test_garbage_from_the_other_end_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    async def inner() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            await reader.read()
            writer.close()
            await writer.wait_closed()

        path = tmp_path / "control.sock"
        server = await asyncio.start_unix_server(babble, path=path)
        client = client_for(path)
        async with running(client.run()):
            await eventually(lambda: "are its version and ours the same" in client.down_reason)
            assert client.link() is Link.DOWN
        server.close()
        await server.wait_closed()

    run(inner())


def test_a_goodbye_is_what_the_person_is_told(tmp_path: Path) -> None:
    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        (peer,) = server.peers
        reason = control.GoodbyeReason.STOPPING
        peer.send(control.Goodbye(reason=reason, text="stopped by alice"))
        peer.writer.close()
        await eventually(lambda: "goodbye: stopped by alice" in client.down_reason)

    scenario(tmp_path, body)


@pytest.mark.parametrize("missing", [True, False], ids=["no socket", "nobody listens"])
def test_a_missing_daemon_is_named(tmp_path: Path, missing: bool) -> None:
    async def inner() -> None:
        path = tmp_path / "control.sock"
        if not missing:
            async with daemon(path):
                kept = tmp_path / "kept.sock"
                path.rename(kept)
            kept.rename(path)
        client = client_for(path)
        assert client.link() is Link.CONNECTING
        async with running(client.run()):
            await eventually(lambda: "is the bot running?" in client.down_reason)
            assert client.link() is Link.DOWN

    run(inner())


@pytest.mark.check
def test_a_hundred_restarts_are_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RETRY_S_MIN", 0.02)

    async def body(client: Client, store: Store, server: FakeDaemon) -> None:
        restarts: list[str] = []
        client.on_restart = lambda old, new: restarts.append(new.boot_id)
        client.show([control.Subscribe(view=View.TREE)])
        for number in range(100):
            await server.stop()
            server.boot_id = f"boot-{number + 2}"
            await server.start()
            await eventually(partial(_counts, restarts, number + 1))
            await eventually(lambda: View.TREE in store.loaded)
        assert len(set(restarts)) == 100

    scenario(tmp_path, body)
