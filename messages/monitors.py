"""Messages of the monitors: what funding costs, and the same pair at several venues."""

from messages.base import Message, Stream


class FundingRate(Stream, frozen=True, kw_only=True, tag="market.FundingRate"):
    """What a perpetual's funding is; a whole value. Rates are in billionths per interval."""

    venue: str
    symbol: str
    rate_ppb: int
    """Of the interval that goes on: longs pay it to shorts, or get it where it is negative."""
    next_rate_ppb: int | None
    """As the venue predicts it; None where it does not."""
    mark_price: str
    interval_ns: int
    settles_ns: int
    """When it is charged next; 0 where the venue does not say."""

    def conflation_key(self) -> str:
        return self.symbol


class FundingConfigured(Message, frozen=True, kw_only=True, tag="market.FundingConfigured"):
    """The funding monitor's settings."""

    alert_yearly_ppm: dict[str, int]
    """By venue: what a year may cost or bring before a person is told."""
    alerts: str


class ArbitrageConfigured(Message, frozen=True, kw_only=True, tag="market.ArbitrageConfigured"):
    """The arbitrage monitor's settings."""

    venues: dict[str, tuple[str, ...]]
    """By symbol: where it is watched, at two venues at least."""
    extra_ppm: int
    """What a round costs beyond the takers' fees: slippage, transfer."""
    alert_ppm: int
    """From this net gain on a person is told."""
    stale_ns: int
    """A side that is older is left out."""
    alerts: str
