"""What scripts rely on: the fields of `--json`, field by field, and one document whatever happens.

Names are only ever added, so a field is asked for by its name and kind, not counted. The rows are
those that the daemon would send: `json_document` is what every verb prints.
"""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from bot import cli
from bot.measuring import Figures
from messages import views
from tests.bot.test_cli import ASKING, LEAVES, REQUIRED
from tests.bot.test_daemon import ask, config, running

__all__ = ["config"]
Document: TypeAlias = Any

STATUS = {
    "state": str, "uptime_s": int, "environment": str, "actors": int, "restarts": int,
    "orders": int, "fills": int, "trading": bool,
}  # fmt: skip
TREE = {
    "address": str, "kind": str, "state": str, "incarnation": int, "restarts": int,
    "mailbox": int, "handled": int, "children": list,
}  # fmt: skip
VAULT = {
    "address": str, "asset": str, "total": str, "tradeable": str, "reserve": str, "sleeves": list
}  # fmt: skip
ORDER = dict.fromkeys(
    (
        "client_order_id", "venue_order_id", "environment", "venue", "user", "vault", "sleeve",
        "symbol", "side", "type", "quantity", "price", "filled", "average_price", "state",
    ),
    str,
) | {"created_ns": int, "updated_ns": int}  # fmt: skip
FILL = dict.fromkeys(
    (
        "exec_id", "client_order_id", "environment", "venue", "sleeve", "symbol", "side",
        "quantity", "price", "fee", "fee_asset", "liquidity",
    ),
    str,
) | {"at_ns": int}  # fmt: skip
BENCH = {"name": str, "figures": dict, "compared_with": dict, "environment": dict}


def has(document: Document, fields: Mapping[str, type]) -> None:
    """Check that `document` is an object with these fields, of exactly these kinds, untagged."""
    assert {name: type(document.get(name)) for name in fields} == fields
    assert "tag" not in document


def test_rows_of_orders_and_fills_are_what_the_contract_says() -> None:
    order = dict.fromkeys(ORDER, "1") | {"created_ns": 1, "updated_ns": 2}
    fill = dict.fromkeys(FILL, "1") | {"at_ns": 1}
    (shown,) = json.loads(views.json_document([msgspec.convert(order, views.OrderView)]))
    has(shown, ORDER)
    (shown,) = json.loads(views.json_document([msgspec.convert(fill, views.FillView)]))
    has(shown, FILL)


def test_a_vault_and_its_sleeves_are_nested() -> None:
    text = dict.fromkeys(
        (
            "address", "sleeve", "style", "strategy", "symbol", "state", "allocated", "cash",
            "reserved", "position", "average_entry", "realised", "unrealised", "fees", "swept",
        ),
        "1",
    )  # fmt: skip
    vault = views.VaultView(
        address="/a", asset="USDT", total="1.00000000", tradeable="1", reserve="0",
        sleeves=(views.SleeveView(**text),),
    )  # fmt: skip
    (shown,) = json.loads(views.json_document([vault]))
    has(shown, VAULT)
    assert shown["total"] == "1.00000000"
    has(shown["sleeves"][0], dict.fromkeys(text, str))


def test_a_benchmark_prints_figures_and_what_they_are_compared_with() -> None:
    assert set(BENCH) <= set(Figures.__struct_fields__)


def test_a_running_bot_answers_every_query_with_one_document(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config):
        code, status = ask(capsys, folder, "status")
        assert code == 0
        has(status, STATUS)
        code, tree = ask(capsys, folder, "tree")
        assert code == 0
        has(tree, TREE)
        below: Document = tree
        assert all(set(TREE) <= set(child) for child in below["children"])
        for verb in ("vaults", "orders", "fills", "log"):
            code, rows = ask(capsys, folder, verb)
            assert (code, type(rows)) == (0, list)
        for query in ("balances", "check"):
            code, rows = ask(capsys, folder, "ledger", query)
            assert (code, type(rows)) == (0, list)
        code, failed = ask(capsys, folder, "tree", "/no/such/address")
        assert code == 1
        has(failed, {"error": str, "exit_code": int})
        assert ask(capsys, folder, "stop")[0] == 0


@pytest.mark.parametrize("name", ASKING)
def test_a_failure_is_one_document_too(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*name.split(), *REQUIRED.get(name, []), "--data-dir", str(tmp_path), "--json"]
    assert cli.run(words) == 5
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["exit_code"] == 5
    assert document["error"] in " ".join(said.err.split()) or "bot start" in document["error"]


def test_wrong_usage_and_a_wrong_configuration_are_one_document_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["orders", "--limit", "0", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
    wrong = tmp_path / "bot.toml"
    wrong.write_text("[data]\nfolder = 3\n")
    monkeypatch.setenv("CANOPY_CONFIG", str(wrong))
    assert cli.run(["status", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["exit_code"] == 4


def test_no_answer_in_time_and_data_that_another_holds_are_one_document_too(
    tmp_path: Path,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What the daemon's own word is waited for, beyond its time: a stopped one says none.
    monkeypatch.setattr("bot.client.GRACE_S", 0.1)
    folder = tmp_path / "data"
    with running(folder, config) as daemon:
        code, held = ask(capsys, folder, "restore", str(tmp_path / "none.db"))
        has(held, {"error": str, "exit_code": int})
        assert (code, exit_code(held)) == (7, 7)
        daemon.send_signal(signal.SIGSTOP)
        try:
            code, late = ask(capsys, folder, "pause", "--timeout", "0.1")
        finally:
            daemon.send_signal(signal.SIGCONT)
        has(late, {"error": str, "exit_code": int})
        assert (code, exit_code(late)) == (6, 6)
        assert ask(capsys, folder, "stop")[0] == 0


def exit_code(document: Document) -> Document:
    return document["exit_code"]


def test_every_verb_takes_data_dir() -> None:
    # `version` and `sim` are about no bot; `venue` has a file of its own; `tui` reads its options.
    for name in set(LEAVES) - {"version", "venue", "tui", "sim"}:
        options = {option for parameter in LEAVES[name].params for option in parameter.opts}
        assert "--data-dir" in options, name


def test_the_list_of_verbs_knows_them_all() -> None:
    assert {name.split()[0] for name in LEAVES} == set(cli.VERBS)
    assert all(line.endswith(".") and len(line) < 64 for _, line in cli.VERBS.values())
