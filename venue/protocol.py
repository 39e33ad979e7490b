"""The seam between the exchange core and what a venue speaks: one subclass per protocol.

docs/box-protocols.md tells how to write one. A protocol parses requests, calls the engine's
exchange, and formats answers and frames. It holds no money and no orders; what it does hold
(tokens, subscriptions, used weights) is lost with the process, as a venue forgets it too.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.rules import Rules
from venue.websocket import WebSocketSession


class VenueProtocol(ABC):
    """The application behind the port. Every method is called from the box's one trio task tree.

    A request handler begins its turn with `engine.advance()`, changes the exchange, and ends with
    `await engine.settle(...)`, which commits before anything is told.
    """

    rules: ClassVar[Rules] = Rules()
    perpetuals_only: ClassVar[bool] = False
    """Whether a pair named like `ETH/USDT` means the perpetual on it, there being nothing else."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    @abstractmethod
    def check_account(cls, account: AccountConfig) -> None:
        """Raise `VenueConfigError` for credentials of a form that the venue never issues."""

    @property
    @abstractmethod
    def sessions(self) -> list[WebSocketSession]:
        """The connected WebSocket clients."""

    # --- requests ------------------------------------------------------------------------------

    @abstractmethod
    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer a REST request: authenticate, count its weight, advance, act, settle."""

    @abstractmethod
    def fault_target(self, request: HttpRequest) -> str | None:
        """Return the name that faults know the request by: the venue's own for the endpoint."""

    @abstractmethod
    def refusal(self) -> HttpReply:
        """Return what the venue says when it is unavailable (the fault `refuse`)."""

    # --- sockets -------------------------------------------------------------------------------

    @abstractmethod
    def opened(self, session: WebSocketSession) -> None:
        """Note a client that connected to `session.path` with `session.query`."""

    @abstractmethod
    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message of a client and answer it."""

    @abstractmethod
    def closed(self, session: WebSocketSession) -> None:
        """Note that a client is gone; forget its subscriptions."""

    # --- streams -------------------------------------------------------------------------------

    @abstractmethod
    def format_reports(self, changes: Changes) -> list[Outgoing]:
        """Return the private frames of a turn: order reports, fills, balances, positions.

        Called within the turn; the frames leave after its commit, in this order.
        """

    @abstractmethod
    def market_frames(self, now_ns: int) -> list[Outgoing]:
        """Return the public frames of a tick of the market."""

    @abstractmethod
    def revoke_tokens(self) -> None:
        """Forget every token, listen key or logged-on session (`POST /_box/tokens/revoke`)."""
