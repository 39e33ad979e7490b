import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import control, views
from messages.framing import encode_frame
from messages.readers import client_reader


def tree_row(address: str, parent: str, place: int = 0) -> views.TreeRow:
    return views.TreeRow(
        address=address,
        parent=parent,
        place=place,
        kind="actor",
        state="running",
        incarnation=1,
        restarts=0,
        mailbox=0,
        handled=7,
    )


ORDER = views.OrderView(
    client_order_id="c1",
    venue_order_id="V1",
    environment="sim",
    venue="kraken-sim",
    user="alice",
    vault="kraken-sim-usdt",
    sleeve="flash",
    symbol="ETH/USDT",
    side="buy",
    type="limit",
    quantity="0.5",
    price="3400.12",
    filled="0",
    average_price="",
    state="open",
    created_ns=1,
    updated_ns=2,
)


def test_the_document_of_an_order_has_the_fields_that_scripts_rely_on() -> None:
    (document,) = json.loads(views.json_document([ORDER]))
    assert set(document) >= {
        "client_order_id", "venue_order_id", "environment", "venue", "user", "vault", "sleeve",
        "symbol", "side", "type", "quantity", "price", "filled", "average_price", "state",
        "created_ns", "updated_ns",
    }  # fmt: skip
    assert "tag" not in document
    assert document["price"] == "3400.12"


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (views.StatusView, "state uptime_s environment actors restarts orders fills trading"),
        (views.TreeNode, "address kind state incarnation restarts mailbox handled children"),
        (views.VaultView, "address asset total tradeable reserve sleeves"),
        (views.FillView, "exec_id client_order_id environment venue sleeve symbol side quantity"),
        (views.FillView, "price fee fee_asset liquidity at_ns"),
    ],
)
def test_rows_have_the_fields_of_the_contract(row: type[views.ViewRow], fields: str) -> None:
    assert set(fields.split()) <= set(row.__struct_fields__)


def test_a_nested_document_has_no_tags_at_any_depth() -> None:
    tree = views.nest([tree_row("/", ""), tree_row("/a", "/"), tree_row("/a/b", "/a")])
    document = json.loads(views.json_document(tree))
    assert document["children"][0]["children"][0]["address"] == "/a/b"
    assert "tag" not in json.dumps(document)


def test_children_stand_in_start_order() -> None:
    rows = [tree_row("/", ""), tree_row("/a", "/", 2), tree_row("/b", "/", 1)]
    assert [child.address for child in views.nest(rows).children] == ["/b", "/a"]


def test_rows_that_are_no_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="one root"):
        views.nest([tree_row("/a", "/")])
    chain = [tree_row("/", "")]
    for depth in range(views.TREE_DEPTH_MAX + 2):
        chain.append(tree_row(f"/{depth}", chain[-1].address))
    with pytest.raises(ValueError, match="levels deep"):
        views.nest(chain)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ("eth", True),
        ("ETH buy", True),
        ("btc", False),
        ("!btc", True),
        ("eth !buy", False),
        ("!", False),
    ],
)
def test_the_filter_grammar(text: str, passes: bool) -> None:
    assert views.matches(ORDER, text) is passes


@given(st.text())
def test_any_filter_text_is_answered(text: str) -> None:
    assert views.matches(ORDER, text) in (True, False)


def test_every_view_row_survives_the_wire() -> None:
    rows = (ORDER, tree_row("/", ""), views.AssetAmount(asset="USDT", amount="1"))[:2]
    delta = control.Delta(view=control.View.ORDERS, seq=1, changed=rows, removed=("x",))
    assert client_reader().feed(encode_frame(delta)) == [delta]


def test_a_row_without_a_key_says_so() -> None:
    class Nameless(views.ViewRow, frozen=True, tag="view.Nameless"):
        pass

    with pytest.raises(TypeError, match="Nameless"):
        Nameless().key()


def test_default_values_are_in_the_document() -> None:
    assert msgspec.json.decode(views.json_document(ORDER))["reason"] == ""


def test_a_nested_tree_made_flat_and_nested_again_is_the_same() -> None:
    rows = [
        tree_row("/", ""),
        tree_row("/a", "/", 0),
        tree_row("/a/b", "/a"),
        tree_row("/c", "/", 1),
    ]
    assert list(views.flatten(views.nest(rows))) == rows
