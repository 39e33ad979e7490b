"""The simulated network: what arrives, when, and what never does."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.abc import HalfCloseableStream

from research.simulation.network import SimulatedNetwork, Weather
from research.simulation.seeds import stream
from supervisor.determinism import run

Pair = tuple[HalfCloseableStream, HalfCloseableStream]


def on_a_network(
    weather: Weather, test: Callable[[SimulatedNetwork, HalfCloseableStream, HalfCloseableStream],
                                     Awaitable[None]]
) -> None:  # fmt: skip
    async def main() -> None:
        network = SimulatedNetwork(stream(1, "network"), lambda text: None)
        (listener,) = await network.open_tcp_listeners("127.0.0.1", 0)
        port = network.ports()[0][1]
        client = await network.open_tcp_stream("127.0.0.1", port)
        server = await listener.accept()
        network.weather = weather
        await test(network, client, server)

    run(main, 1)


def test_bytes_arrive_in_order_after_their_delay() -> None:
    async def test(
        network: SimulatedNetwork, client: HalfCloseableStream, server: HalfCloseableStream
    ) -> None:
        for number in range(50):
            await client.send_all(b"%d " % number)
        await client.aclose()
        received = b""
        while data := await server.receive_some(7):
            received += bytes(data)
        assert received == b"".join(b"%d " % number for number in range(50))
        assert trio.current_time() > 0.5
        assert network.counts["chop"] > 10

    on_a_network(Weather(delay_s_min=0.5, delay_s_max=1.0, chop_ppm=500_000), test)


def test_a_reset_is_told_at_both_ends() -> None:
    async def test(
        network: SimulatedNetwork, client: HalfCloseableStream, server: HalfCloseableStream
    ) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()

    on_a_network(Weather(reset_ppm=1_000_000), test)


def test_a_half_open_connection_tells_nobody() -> None:
    async def test(
        network: SimulatedNetwork, client: HalfCloseableStream, server: HalfCloseableStream
    ) -> None:
        await client.send_all(b"x")
        with trio.move_on_after(3_600) as scope:
            await server.receive_some()
        assert scope.cancelled_caught

    on_a_network(Weather(half_open_ppm=1_000_000), test)


def test_an_idle_connection_that_was_closed_is_readable() -> None:
    async def test(
        network: SimulatedNetwork, client: HalfCloseableStream, server: HalfCloseableStream
    ) -> None:
        assert not getattr(client, "is_readable", True)
        await server.aclose()
        assert getattr(client, "is_readable", False)
        assert await client.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"x")

    on_a_network(Weather(), test)


def test_who_writes_to_a_peer_that_does_not_read_waits() -> None:
    async def test(
        network: SimulatedNetwork, client: HalfCloseableStream, server: HalfCloseableStream
    ) -> None:
        with trio.move_on_after(60) as scope:
            await client.send_all(bytes(1_000_000))
        assert scope.cancelled_caught
        assert len(await server.receive_some(1_000_000)) == 1_000_000

    on_a_network(Weather(), test)


def test_nobody_listens() -> None:
    async def main() -> None:
        network = SimulatedNetwork(stream(1, "network"), lambda text: None)
        with pytest.raises(ConnectionRefusedError):
            await network.open_tcp_stream("127.0.0.1", 9)

    run(main, 1)
