"""Administration of a box over HTTP, loopback only, for tests and for the person who owns it.

All under `/_box/` on the box's own port; JSON in, JSON out; errors are `{"error": text}` with
status 400, 403
(from another machine) or 404. Faults never touch these requests.

    GET  /_box/status            protocol, time, markets, sessions, fault profile and counts
    GET  /_box/books             books of record: every order, fill, ledger entry and balance in
                                 decimal text; `totals`: the sum of all balances per asset, zero
    GET  /_box/faults            profile, rates in ppm, commands still armed, counts
    POST /_box/faults/profile    {"profile": "none"|"mild"|"nasty"}
    POST /_box/faults/rates      {"rates": {fault: ppm, ...}}    instead of the profile's rates
    POST /_box/faults/arm        {"fault": name, "target": "AddOrder", "count": 1,
                                 "duration_ms": 0}   for the next matching requests or frames;
                                 names: `venue.faults`; targets: REST endpoints, WebSocket
                                 trading methods, channels. To lose the next ack:
                                 {"fault": "lose_ack", "target": "AddOrder"}
    POST /_box/faults/disarm     {}                  forget armed commands
    POST /_box/sockets/drop      {}                  abort every WebSocket client
    POST /_box/tokens/revoke     {}                  forget every WebSocket token
    POST /_box/visibility        {"lag_ms": 0}       change the visibility lag
    POST /_box/market/cancel-only {"is_on": true}    all markets take cancels only, or orders again
    POST /_box/deposit           {"account": name, "asset": "USDT", "amount": "10.5"}
    POST /_box/withdraw          the same
    POST /_box/order             {"account", "symbol", "side": "buy"|"sell", "quantity",
                                 "price": absent for a market order, "post_only"}   an order by
                                 the account holder's own hand; answers {"txid"}
    POST /_box/cancel            {"account", "txid"}                a cancel by hand
"""

from collections.abc import Callable

import msgspec

from venue.accounts import Account
from venue.admin_books import Json, books_of_record
from venue.admin_requests import (
    Amount,
    Arm,
    CancelOnly,
    HandCancel,
    HandOrder,
    Profile,
    Rates,
    Visibility,
)
from venue.engine import Engine
from venue.faults import ARMED_MAX
from venue.http import HttpReply, HttpRequest
from venue.instruments import MalformedNumberError
from venue.orders import BUY, SELL, OrderRequest
from venue.protocol import VenueProtocol
from venue.refusals import RefusedError

PREFIX = "/_box/"


class AdminError(Exception):
    """A request of the administrator that makes no sense; the text says why."""


class Admin:
    """Answers what lies under `/_box/`."""

    def __init__(self, engine: Engine, protocol: VenueProtocol) -> None:
        self._engine = engine
        self._protocol = protocol
        self._methods: dict[tuple[str, str], Callable[[bytes], Json]] = {
            ("GET", "status"): self._status,
            ("GET", "faults"): self._faults,
            ("POST", "faults/profile"): self._set_profile,
            ("POST", "faults/rates"): self._set_rates,
            ("POST", "faults/arm"): self._arm,
            ("POST", "faults/disarm"): self._disarm,
            ("POST", "sockets/drop"): self._drop_sockets,
            ("POST", "tokens/revoke"): self._revoke_tokens,
            ("POST", "visibility"): self._set_visibility,
            ("POST", "market/cancel-only"): self._set_cancel_only,
            ("POST", "deposit"): self._deposit,
            ("POST", "withdraw"): self._withdraw,
            ("POST", "order"): self._order,
            ("POST", "cancel"): self._cancel,
        }

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one administrative request."""
        name = request.path.removeprefix(PREFIX)
        try:
            if (request.method, name) == ("GET", "books"):
                return _reply(200, await self._books())
            method = self._methods.get((request.method, name))
            if method is None:
                return _reply(404, {"error": f"there is no {request.method} {request.path}"})
            result = method(request.body or b"{}")
        except (AdminError, MalformedNumberError, msgspec.ValidationError) as error:
            return _reply(400, {"error": str(error)})
        except msgspec.DecodeError as error:
            return _reply(400, {"error": f"the body is not JSON: {error}"})
        except RefusedError as error:
            return _reply(400, {"error": error.refusal.value})
        await self._engine.settle()
        return _reply(200, result)

    # --- looking -----------------------------------------------------------------------------

    def _status(self, body: bytes) -> Json:
        engine = self._engine
        return {
            "protocol": engine.config.protocol,
            "now_ns": engine.now_ns(),
            "started_ns": engine.started_ns,
            "data_file": engine.config.data_file,
            "visibility_lag_ms": engine.visibility_lag_ms,
            "commits": engine.commits.commits,
            "sessions": len(self._protocol.sessions),
            "open_orders": len(engine.records.open_orders),
            "markets": {
                symbol: {
                    "event_index": listing.next_index,
                    "last": listing.instrument.format_price(listing.last_ticks),
                    "halted": listing.is_halted,
                }
                for symbol, listing in engine.listings.items()
            },
            **self._faults(body),
        }

    def _faults(self, body: bytes) -> Json:
        faults = self._engine.faults
        return {
            "profile": faults.profile.value,
            "rates": {fault.value: rate for fault, rate in faults.rates.items()},
            "armed": [armed._asdict() for armed in faults.armed()],
            "counts": {fault.value: count for fault, count in faults.counts.items()},
        }

    async def _books(self) -> Json:
        """Return the books between two turns, so that everything in them is durable."""
        self._engine.advance()
        await self._engine.settle()
        return books_of_record(self._engine)

    # --- faults ------------------------------------------------------------------------------

    def _set_profile(self, body: bytes) -> Json:
        self._engine.faults.set_profile(msgspec.json.decode(body, type=Profile).profile)
        return self._faults(body)

    def _set_rates(self, body: bytes) -> Json:
        self._engine.faults.rates = msgspec.json.decode(body, type=Rates).rates
        return self._faults(body)

    def _arm(self, body: bytes) -> Json:
        arm = msgspec.json.decode(body, type=Arm)
        faults = self._engine.faults
        if not 0 < arm.count <= ARMED_MAX - len(faults.armed()):
            raise AdminError(f"count: was {arm.count}, at most {ARMED_MAX} may be armed")
        faults.arm(arm.fault, arm.target, arm.count, arm.duration_ms)
        return self._faults(body)

    def _disarm(self, body: bytes) -> Json:
        self._engine.faults.disarm()
        return self._faults(body)

    def _drop_sockets(self, body: bytes) -> Json:
        sessions = self._protocol.sessions
        for session in sessions:
            session.abort()
        return {"dropped": len(sessions)}

    def _revoke_tokens(self, body: bytes) -> Json:
        self._protocol.revoke_tokens()
        return {}

    def _set_visibility(self, body: bytes) -> Json:
        lag_ms = msgspec.json.decode(body, type=Visibility).lag_ms
        if lag_ms < 0:
            raise AdminError(f"lag_ms: was {lag_ms}, must not be negative")
        self._engine.visibility_lag_ms = lag_ms
        return {"visibility_lag_ms": lag_ms}

    # --- accounts ----------------------------------------------------------------------------

    def _account(self, name: str) -> Account:
        account = self._engine.account_named(name)
        if account is None:
            known = ", ".join(a.name for a in self._engine.exchange.accounts.values())
            raise AdminError(f"there is no account {name!r}; there are: {known}")
        return account

    def _amount(self, body: bytes) -> tuple[Account, str, int]:
        amount = msgspec.json.decode(body, type=Amount)
        asset = self._engine.assets.get(amount.asset)
        if asset is None:
            raise AdminError(f"there is no asset {amount.asset!r} here")
        units = asset.parse(amount.amount)
        if units == 0:
            raise AdminError("amount: must be positive")
        return self._account(amount.account), asset.name, units

    def _set_cancel_only(self, body: bytes) -> Json:
        is_on = msgspec.json.decode(body, type=CancelOnly).is_on
        for listing in self._engine.listings.values():
            listing.is_cancel_only = is_on
        return {}

    def _deposit(self, body: bytes) -> Json:
        account, asset, units = self._amount(body)
        self._engine.exchange.deposit(account, asset, units, self._engine.advance())
        return {"balance": self._engine.assets[asset].format(account.balances[asset])}

    def _withdraw(self, body: bytes) -> Json:
        account, asset, units = self._amount(body)
        self._engine.exchange.withdraw(account, asset, units, self._engine.advance())
        return {"balance": self._engine.assets[asset].format(account.balances[asset])}

    def _order(self, body: bytes) -> Json:
        given = msgspec.json.decode(body, type=HandOrder)
        listing = self._engine.listings.get(given.symbol)
        if listing is None or given.side not in ("buy", "sell"):
            raise AdminError("symbol must be listed, side must be buy or sell")
        instrument = listing.instrument
        request = OrderRequest(
            symbol=given.symbol,
            side=BUY if given.side == "buy" else SELL,
            is_market=not given.price,
            price_ticks=instrument.parse_price(given.price) if given.price else 0,
            quantity_lots=instrument.parse_quantity(given.quantity),
            post_only=given.post_only,
            by_hand=True,
        )
        now_ns = self._engine.advance()
        order = self._engine.exchange.place(self._account(given.account), request, now_ns)
        return {"txid": order.txid}

    def _cancel(self, body: bytes) -> Json:
        given = msgspec.json.decode(body, type=HandCancel)
        now_ns = self._engine.advance()
        order = self._engine.records.order_of(self._account(given.account).number, given.txid)
        if order is None:
            raise AdminError(f"the account has no order {given.txid!r}")
        self._engine.exchange.cancel(order, now_ns)
        return {"txid": order.txid}


def _reply(status: int, body: Json) -> HttpReply:
    return HttpReply(status, msgspec.json.encode(body))
