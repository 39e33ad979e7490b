import pytest

from exchanges.json_text import Json
from tests.exchanges.parity_compare import (
    differences,
    parity_figures,
    unexplained,
    wire_differences,
    wire_figures,
)

ONE, TWO = ["http", "GET", "one"], ["http", "GET", "two"]
MARKETS = "htx.fetch_markets|{}|spot"


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param([[TWO], "error"], id="another request"),
        pytest.param([[ONE, ONE], "error"], id="the same request twice"),
        pytest.param([[ONE], "ok"], id="another end"),
        pytest.param(None, id="no such call"),
    ],
)
def test_what_is_explained_must_send_a_part_and_end_the_same(ours: Json) -> None:
    stock: dict[str, Json] = {MARKETS: [[ONE, ["http", "GET", "three"]], "error"]}
    assert unexplained("parity", differences(stock, {MARKETS: ours} if ours else {})) == [MARKETS]
    assert not unexplained("parity", differences(stock, {MARKETS: [[ONE], "error"]}))


def test_another_exchange_is_not_explained_by_it() -> None:
    key = "okx.fetch_markets|{}|spot"
    assert unexplained("parity", {key: ([[ONE, TWO], "error"], [[ONE], "error"])}) == [key]


def test_figures_count_methods_by_all_their_calls() -> None:
    stock: dict[str, Json] = {
        "a.watch_x|{}|spot": [[ONE], "pending"],
        "a.watch_x|{}|swap": [[TWO], "pending"],
        "a.fetch_y|{}|spot": [[ONE], "ok"],
        "a.fetch_z|{}|spot": [[], "NotSupported: no"],
    }
    ours = {**stock, "a.watch_x|{}|swap": [[], "pending"]}
    figures = parity_figures(stock, ours)
    assert figures.pairs == (3, 2)
    assert figures.implemented == (2, 1)
    assert figures.traffic == (2, 1)
    assert figures.watching == (1, 0)
    assert figures.calls == (4, 3)


def test_only_the_clients_own_name_is_left_out_on_the_wire() -> None:
    def request(agent: str, body: str = "") -> Json:
        return ["GET / HTTP/1.1", [["Accept", "*/*"], ["User-Agent", agent]], body]

    stock = {"a": [request("Python/3.11 aiohttp/3.14.5")], "b": [request("x")], "c": [request("x")]}
    ours = {"a": [request("canopy")], "b": [request("y")], "c": [request("x", "body")]}
    assert list(wire_differences(stock, ours)) == ["b", "c"]
    assert wire_figures(stock, ours)[1:] == (3, 0, 1)
