"""What this package replaces or relies on in ccxt's hand-written base, as hashes of the code.

`python -m tests.exchanges.drift` writes `drift.json` anew, after docs/ccxt-upgrade.md was followed.
"""

import ast
import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

PINNED = Path(__file__).with_name("drift.json")
REPLACED: dict[str, tuple[str, str]] = {
    "async_support/base/exchange.py": (
        "BaseExchange",
        (
            "__init__ get_event_loop init_throttler throttle __del__ __aenter__ __aexit__ open"
            " close close_connector close_proxy_sessions fetch load_markets"
            " load_markets_helper sleep spawn"
            " client delay watch_multiple watch on_connected on_error ws_dial_delay on_close"
            " close_ws_clients load_order_book get_session get_socks_proxy_session decode_proto_msg"
            " fetch2 request fetch_paginated_call_deterministic load_markets_and_sign_in"
        ),
    ),
    "async_support/base/ws/client.py": (
        "Client",
        (
            "__init__ future reusableFuture resolve reject reset receive_loop open connect on_error"
            " on_close closed receive handle_text_or_binary_message handle_message"
            " create_connection send close aiohttp_close ping_loop"
        ),
    ),
    "async_support/base/ws/future.py": ("Future", "resolve reject race"),
    "async_support/base/throttler.py": (
        "Throttler",
        "__init__ leaky_bucket_loop rolling_window_loop looper __call__",
    ),
    "base/exchange.py": (
        "BaseExchange",
        (
            "__init__ __del__ prepare_request_headers init_rest_rate_limiter check_proxy_settings"
            " check_ws_proxy_settings is_text_response parse_json handle_http_status_code"
            " incrementing_nonce fetch2 safe_string safe_number parse_number"
            " check_proxy_url_settings check_conflicting_proxies url_encoder_for_proxy_url"
        ),
    ),
    "pro/kraken.py": (
        "kraken",
        "authenticate handle_order_book custom_handle_deltas handle_message handle_pong ping",
    ),
    "async_support/kraken.py": (
        "kraken",
        "sign nonce handle_errors create_order order_request cancel_order parse_order parse_trade",
    ),
}
# What of asyncio's and aiohttp's a function may name in ccxt's base.
ASYNC_NAMES = {
    "asyncio", "aiohttp", "yarl", "concurrent", "Future", "Throttler", "Client", "asyncio_loop",
    "ensure_future", "create_task", "call_soon", "call_later", "wait_for", "session",
    "tcp_connector", "WSMsgType",
}  # fmt: skip
# Those of the base that use one and are not replaced, and why that is well.
UNREACHED = {
    "BaseExchange": {
        "__init__",  # keeps the loop it is given; ours is given none
        "get_session",  # a user's own aiohttp session, which there is not
        "get_socks_proxy_session",  # called by the replaced fetch and watch
    },
    "Client": {
        # The life of aiohttp's socket: called by the replaced connect, and by each other.
        "receive_loop", "open", "handle_message", "create_connection",
    },
}  # fmt: skip
# They use `asyncio.gather`, which is given to the module (exchanges/gather.py).
GATHERING = {"fetch_paginated_call_deterministic", "load_markets_and_sign_in"}


def root() -> Path:
    spec = importlib.util.find_spec("ccxt")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def scan() -> dict[str, Any]:
    hashes: dict[str, str | None] = {}
    for file, (class_name, names) in REPLACED.items():
        tree = ast.parse((root() / file).read_text(encoding="utf-8"))
        body = next(
            node.body
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == class_name
        )
        functions = {
            node.name: node
            for node in body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for name in names.split():
            found = functions.get(name)
            hashes[f"{file}:{class_name}.{name}"] = (
                None if found is None else _hash(ast.dump(found))
            )
        if "/base/" in file:
            hashes[f"{file}:{class_name} names"] = _hash(" ".join(sorted(functions)))
    return {"hashes": hashes, "asyncio": _asyncio_names()}


def asynchronous(file: str) -> set[str]:
    """Return the functions of a file's pinned class that name something of asyncio or aiohttp."""
    class_name, _ = REPLACED[file]
    tree = ast.parse((root() / file).read_text(encoding="utf-8"))
    found = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    return {
        each.name
        for each in found.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and not _names(each).isdisjoint(ASYNC_NAMES)
    }


def _names(function: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return names


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _asyncio_names() -> dict[str, list[str]]:
    """Which asyncio and aiohttp names are used where; `gather` is everywhere and only counted."""
    used: dict[str, set[str]] = {}
    for folder in ("async_support", "pro", "prediction", "async_support/base"):
        for file in sorted((root() / folder).glob("*.py")):
            text = file.read_text(encoding="utf-8")
            for name in re.findall(r"\b((?:asyncio|aiohttp|threading)\.\w+)", text):
                place = "*" if name == "asyncio.gather" else f"{folder}/{file.name}"
                used.setdefault(name, set()).add(place)
    return {name: sorted(places) for name, places in sorted(used.items())}


if __name__ == "__main__":
    PINNED.write_text(json.dumps(scan(), indent=1) + "\n", encoding="utf-8")
