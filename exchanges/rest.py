"""One REST request as ccxt's exchange classes expect it: out, back, and judged."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import trio

from exchanges.ccxt_names import ExchangeNotAvailable, NotSupported, RequestTimeout
from exchanges.http import Answer, TransportError
from exchanges.json_text import Json

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

MILLISECONDS_PER_SECOND = 1000
USER_AGENT = "canopy"
FORM = "application/x-www-form-urlencoded"
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})


async def fetch(
    exchange: "TrioExchange",
    url: str,
    method: str,
    headers: Mapping[str, str] | None,
    body: Json,
) -> Json:
    """Send one request, once, and return its decoded answer. Raises ccxt's errors."""
    request_headers = dict(exchange.prepare_request_headers(headers))
    exchange.last_request_headers = request_headers
    proxy_url = exchange.check_proxy_url_settings(url, method, headers, body)
    if proxy_url is not None:
        request_headers["Origin"] = exchange.origin
        url = proxy_url + exchange.url_encoder_for_proxy_url(url)
    proxies = exchange.check_proxy_settings(url, method, headers, body)
    proxy = next((each for each in (*proxies, exchange.aiohttp_proxy) if each), None)
    exchange.check_conflicting_proxies(proxy, proxy_url)
    if exchange.aiohttp_proxy is not None and (proxy_url is not None or any(proxies)):
        raise NotSupported(f"{exchange.id}: several proxies are set: leave one, aiohttp_proxy last")
    exchange.open(True)
    answer = await _answer(exchange, method, url, request_headers, body, proxy)
    return _judged(exchange, answer, url, method, request_headers, body)


async def _answer(
    exchange: "TrioExchange",
    method: str,
    url: str,
    headers: dict[str, str],
    body: Json,
    proxy: str | None,
) -> Answer:
    headers, content = _encoded(headers, body)
    if not any(name.lower() == "user-agent" for name in headers):
        headers = {**headers, "User-Agent": USER_AGENT}
    # Without the query: some venues put keys and signatures there.
    place = f"{exchange.id} {method} {url.split('?', 1)[0]}"
    try:
        with trio.fail_after(exchange.timeout / MILLISECONDS_PER_SECOND):
            return await exchange.transport().request(method, url, headers, content, proxy)
    except trio.TooSlowError:
        raise RequestTimeout(f"{place}: no answer in {exchange.timeout} ms") from None
    except TransportError as error:
        raise ExchangeNotAvailable(f"{place}: {error}") from None


def _encoded(headers: dict[str, str], body: Json) -> tuple[dict[str, str], bytes | None]:
    """Return the headers and the body as bytes; a form goes out as aiohttp writes one."""
    if not isinstance(body, dict):
        return headers, body.encode() if body else None
    # ccxt asks for multipart here and gives a form of plain fields, which aiohttp sends like this.
    kept = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return {**kept, "Content-Type": FORM}, urlencode(body, doseq=True).encode()


def _judged(
    exchange: "TrioExchange",
    answer: Answer,
    url: str,
    method: str,
    request_headers: object,
    request_body: object,
) -> Json:
    """Give the answer to ccxt's error handlers; what they let pass is the result."""
    headers: dict[str, str] = {}
    for name, value in answer.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    status, reason = answer.status, answer.reason
    if status in REDIRECTIONS:
        raise ExchangeNotAvailable(
            f"{exchange.id} {method} {url.split('?', 1)[0]}: sent on to "
            f"{headers.get('Location', 'nowhere')}, which is not followed: set `urls` to it"
        )
    text = exchange.on_rest_response(
        status,
        reason,
        url,
        method,
        headers,
        answer.body.decode("utf-8", errors="replace"),
        request_headers,
        request_body,
    )
    decoded = exchange.parse_json(text)
    _remember(exchange, headers, text, decoded)
    exchange.handle_errors(
        status, reason, url, method, headers, text, decoded, request_headers, request_body
    )
    exchange.handle_http_status_code(status, reason, url, method, text)
    exchange.saw_answer(url, text)
    if decoded is not None:
        return decoded
    return text if exchange.is_text_response(headers) or not text else answer.body


def _remember(
    exchange: "TrioExchange", headers: dict[str, str], text: str, decoded: object
) -> None:
    if exchange.enableLastHttpResponse:
        exchange.last_http_response = text
    if exchange.enableLastResponseHeaders:
        exchange.last_response_headers = headers
    if exchange.enableLastJsonResponse:
        exchange.last_json_response = decoded
    if isinstance(decoded, dict) and decoded and exchange.returnResponseHeaders:
        decoded["responseHeaders"] = headers
