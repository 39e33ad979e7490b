"""Market data: what feeds publish. Prices in ticks, quantities in lots of the instrument.

Topics: `/market/<venue>/<symbol>/<kind>` with kind one of `top`, `trades`, `candles`, `trust`, and
`merged` (tops and trades in order of the venue's stamps, where the venue is configured so); in
topics a symbol's `/` is written `-` and its `:` is written `~` (`topic_symbol`).
"""

import math
from fractions import Fraction

import msgspec

from messages.base import Message, Stream


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable symbol of a venue, and the integers in which it is counted."""

    symbol: str
    """ccxt's unified symbol, verbatim: `ETH/USDT`."""
    base: str
    """What a position is counted in: coins, or contracts, which are named as the symbol."""
    quote: str
    tick: str
    """The price step, a decimal string: `0.01`."""
    lot: str
    """The quantity step, a decimal string: `0.00000001`."""
    base_scale: int
    """Minor units of the base asset are 10**-base_scale."""
    quote_scale: int
    quantity_lots_min: int
    quantity_lots_max: int
    notional_minor_min: int
    """The smallest price × quantity, in quote minor units."""
    maker_fee_ppm: int
    """Fees in millionths of the notional."""
    taker_fee_ppm: int

    @property
    def is_perpetual(self) -> bool:
        """Whether it is traded on margin, and positions may be short."""
        return self.base == self.symbol

    def notional_minor(self, price_ticks: int, quantity_lots: int) -> int:
        """Return price × quantity in quote minor units, rounded up (what must be reserved)."""
        return math.ceil(price_ticks * quantity_lots * self._unit())

    def base_minor(self, quantity_lots: int) -> int:
        """Return a quantity in minor units of the base asset; exact by construction."""
        exact = quantity_lots * Fraction(self.lot) * Fraction(10) ** self.base_scale
        assert exact.denominator == 1, "a lot is a whole number of base minor units"
        return int(exact)

    def lots_for(self, notional_minor: int, price_ticks: int) -> int:
        """Return the most lots that `notional_minor` buys at `price_ticks`, without fees."""
        assert price_ticks > 0, "a price is positive"
        return int(Fraction(notional_minor) / (price_ticks * self._unit()))

    def _unit(self) -> Fraction:
        return Fraction(self.tick) * Fraction(self.lot) * Fraction(10) ** self.quote_scale


class InstrumentListed(Message, frozen=True, kw_only=True, tag="market.InstrumentListed"):
    """A venue lists an instrument, or changed its figures: sent to all who count in it."""

    venue: str
    instrument: Instrument


class BookTop(Stream, frozen=True, kw_only=True, tag="market.BookTop"):
    """The best bid and ask of one symbol; a whole value, so the newest replaces older ones."""

    venue: str
    symbol: str
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    venue_ns: int
    """The venue's own stamp; 0 when it gives none."""

    def conflation_key(self) -> str:
        return self.symbol


class Trade(Stream, frozen=True, kw_only=True, tag="market.Trade"):
    """One public trade."""

    venue: str
    symbol: str
    trade_id: str
    side: str
    """The taker's: `buy` or `sell`."""
    price_ticks: int
    quantity_lots: int
    venue_ns: int


class Candle(Stream, frozen=True, kw_only=True, tag="market.Candle"):
    """One candle; `closed` says that it will not change any more."""

    venue: str
    symbol: str
    timeframe_ns: int
    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    closed: bool


class StreamTrust(Stream, frozen=True, kw_only=True, tag="market.StreamTrust"):
    """Whether a symbol's data may be traded on: false from a gap or silence until the resync."""

    venue: str
    symbol: str
    trusted: bool
    reason: str


def topic_symbol(symbol: str) -> str:
    """Return `symbol` as topics and addresses write it."""
    return symbol.replace("/", "-").replace(":", "~").lower()


def topic(venue: str, symbol: str, kind: str) -> str:
    """Return the topic of one kind of data of one symbol."""
    return f"/market/{venue}/{topic_symbol(symbol)}/{kind}"
