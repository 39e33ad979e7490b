"""How an exchange treats an order, as numba-ready functions: fees, latency, place in the queue.

One set of models for the simulated venue, paper trading and backtests. Money is in integers of
the quote's minor unit, quantities in lots, times in ns.

**Timing assumption of the queue models**: an order that joins a level stands behind everything
the level shows at that moment. On aggregated depth nobody knows where the rest came and went;
each model is one assumption about it:

- `RISK_AVERSE`: nobody before us ever cancels; only trades at our price, and a level that has
  shrunk below what we thought stood before us, bring us forward.
- `PROPORTIONAL`, `SQUARE`: a decrease that trades do not explain comes from before us with
  probability f(ahead) / (f(ahead) + f(behind)), f(x) = x or x²; its expectation is taken.
"""

from typing import Final, NamedTuple

from venue.counter import uniform
from venue.kernels import entry_point, helper, kernel

PPM: Final = 1_000_000


class FeeTier(NamedTuple):
    """What an account of this 30-day volume (in quote units) and above pays, in millionths."""

    volume_from_units: int
    maker_ppm: int
    """Negative for a rebate."""
    taker_ppm: int


def tier_of(tiers: tuple[FeeTier, ...], volume_units: int) -> FeeTier:
    """Find the tier of an account with this volume. `tiers` ascend and begin at 0."""
    assert tiers[0].volume_from_units == 0
    return max(tier for tier in tiers if tier.volume_from_units <= max(volume_units, 0))


@kernel
def fee_units(notional_units: int, rate_ppm: int) -> int:
    """Compute the fee on a fill, truncated towards zero to the minor unit, rebates too.

    Exact for every int64 notional and rates of at most 100 %: the product is taken in two parts.
    """
    sign = -1 if (notional_units < 0) != (rate_ppm < 0) else 1
    notional = abs(notional_units)
    rate = abs(rate_ppm)
    return sign * (notional // PPM * rate + notional % PPM * rate // PPM)


class LatencyModel(NamedTuple):
    """Latency between `low_ns` and `high_ns`, and now and then a spike above.

    Most draws lie near the low end (the square of a uniform number); a spike multiplies the high
    end by up to `spike_factor`, small factors being likelier.
    """

    low_ns: int
    high_ns: int
    spike_ppm: int = 2_000
    spike_factor: float = 10.0


ORDER_ENTRY, ORDER_RESPONSE, FEED = range(3)
"""What travels: each has its own stream of random numbers."""
_LATENCY_STREAM: Final = 64
_MS: Final = 1_000_000
_DEFAULT_LATENCIES: Final = {
    "binance": LatencyModel(50 * _MS, 100 * _MS),
    "coinbase": LatencyModel(100 * _MS, 200 * _MS),
}


def default_latency(venue: str) -> LatencyModel:
    """Return a venue's default: Binance 50–100 ms, Coinbase 100–200 ms, others 50–200 ms."""
    return _DEFAULT_LATENCIES.get(venue, LatencyModel(50 * _MS, 200 * _MS))


def constant_latency(latency_ns: int) -> LatencyModel:
    """Make a model without chance."""
    return LatencyModel(latency_ns, latency_ns, spike_ppm=0)


@kernel
def draw_latency_ns(model: LatencyModel, seed: int, what: int, counter: int) -> int:
    """Draw the latency of the `counter`-th message of kind `what`; the same arguments, the same."""
    u = uniform(seed, _LATENCY_STREAM + 2 * what, counter)
    latency_ns = model.low_ns + u * u * (model.high_ns - model.low_ns)
    if uniform(seed, _LATENCY_STREAM + 2 * what + 1, counter) * PPM < model.spike_ppm:
        # 1/(1 + k·v) falls from 1 like a heavy tail; v near 0 is rare and a large factor.
        v = uniform(seed, _LATENCY_STREAM + 32 + what, counter)
        latency_ns = model.high_ns * model.spike_factor / (1.0 + (model.spike_factor - 1.0) * v)
    return int(latency_ns)


RISK_AVERSE, PROPORTIONAL, SQUARE = range(3)


class QueuePosition(NamedTuple):
    """Where an order stands in its level, as far as one can tell from depth and trades."""

    ahead_lots: int
    """Lots before us; below 0 once more has traded than stood there: then we are filled."""
    traded_lots: int
    """Lots traded at our price that the depth has not confirmed yet."""


@kernel
def queue_joined(level_lots: int) -> QueuePosition:
    """Take the place of an order that joins a level which shows `level_lots`."""
    return QueuePosition(level_lots, 0)


@kernel
def queue_after_trade(position: QueuePosition, lots: int) -> QueuePosition:
    """Move up after a trade of `lots` at our price against our side."""
    return QueuePosition(position.ahead_lots - lots, position.traded_lots + lots)


@helper
def _weight(model: int, lots: float) -> float:
    return lots if model == PROPORTIONAL else lots * lots


@kernel
def queue_after_depth(
    position: QueuePosition, model: int, before_lots: int, after_lots: int
) -> QueuePosition:
    """Move up after our level's quantity (without us) changed from `before` to `after`."""
    ahead = position.ahead_lots
    cancelled = before_lots - after_lots - position.traded_lots
    if model != RISK_AVERSE and cancelled > 0 and ahead > 0:
        front = _weight(model, float(ahead))
        behind = _weight(model, float(max(before_lots - position.traded_lots - ahead, 0)))
        ahead -= int(cancelled * front / (front + behind))
    return QueuePosition(min(ahead, after_lots), 0)


@kernel
def is_filled(position: QueuePosition) -> bool:
    """Whether a trade has reached us."""
    return position.ahead_lots < 0


TOXIC_MULTIPLE: Final = 10
"""S4: a fill is tagged toxic when more than this multiple of our size stood before us."""


@kernel
def is_toxic(ahead_at_entry_lots: int, order_lots: int) -> bool:
    """Whether the fill of an order that joined so deep in its queue was probably adverse."""
    return ahead_at_entry_lots > TOXIC_MULTIPLE * order_lots


entry_point(fee_units, lambda: (0, 0))
entry_point(draw_latency_ns, lambda: (constant_latency(0), 0, 0, 0))
entry_point(queue_joined, lambda: (0,))
entry_point(queue_after_trade, lambda: (QueuePosition(0, 0), 0))
entry_point(queue_after_depth, lambda: (QueuePosition(0, 0), 0, 0, 0))
entry_point(is_filled, lambda: (QueuePosition(0, 0),))
entry_point(is_toxic, lambda: (0, 0))
