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
            " close_ws_clients load_order_book"
        ),
    ),
    "async_support/base/ws/client.py": (
        "Client",
        (
            "__init__ future reusableFuture resolve reject reset receive_loop open connect on_error"
            " on_close closed handle_text_or_binary_message handle_message create_connection send"
            " close aiohttp_close ping_loop"
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
