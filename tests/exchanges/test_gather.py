import importlib

import pytest
import trio

from exchanges.ccxt_names import NetworkError
from exchanges.gather import AsyncioShim, trio_gather

asyncio = importlib.import_module("asyncio")


async def test_gather_keeps_order_and_starts_in_order() -> None:
    started: list[int] = []

    async def job(number: int) -> int:
        started.append(number)
        await trio.lowlevel.checkpoint()
        return number * 10

    assert await trio_gather(*(job(n) for n in range(20))) == [n * 10 for n in range(20)]
    assert started == list(range(20))
    assert await AsyncioShim(asyncio).gather() == []


async def test_first_error_is_raised_bare_and_cancels_the_others() -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise NetworkError("first")

    async def waits() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cancelled")

    with pytest.raises(NetworkError, match="first"):
        await trio_gather(waits(), fails(), waits())
    assert ended.count("cancelled") <= 2


async def test_errors_can_be_returned() -> None:
    async def fails() -> None:
        raise NetworkError("kept")

    async def works() -> int:
        return 1

    first, second = await trio_gather(fails(), works(), return_exceptions=True)
    assert isinstance(first, NetworkError)
    assert second == 1


async def test_other_asyncio_names_are_loud() -> None:
    with pytest.raises(RuntimeError, match="ccxt-upgrade"):
        _ = AsyncioShim(asyncio).create_task


def test_outside_trio_the_shim_is_asyncio() -> None:
    assert AsyncioShim(asyncio).Queue is asyncio.Queue
