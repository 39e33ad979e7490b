"""The generated flow of the other participants, as numba kernels.

Everything here is a function of (seed, time since the epoch) or (seed, event index): no state, no
transcendental functions, only IEEE additions, products and quotients, so every machine computes
the same ticks. Random numbers come from `venue.counter`.

**Price.** The fair price is `open × (1 + x(t))`, where x is a sum of value-noise octaves (random
values on a lattice in time, joined smoothly) with periods from a second to a month, and of a
cycle: a noise of alternating sign. Each octave is bounded, so x is. Regimes (calm, trend, burst,
mean-reverting) are drawn per block of time and scale the octaves, the spread and the takers;
blending them over each block is what clusters volatility.

**Events.** Event i refreshes one quoting slot (cancels the slot's order, posts a new one around
the fair price) and sometimes sends market orders. At every multiple of `BLOCK` all flow orders
are withdrawn and every slot is quoted anew. So the flow's book depends on at most `BLOCK` events,
and can be rebuilt from nothing at any index.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from venue import book as bk
from venue import matching as mt
from venue.counter import hash53, noise, uniform
from venue.kernels import helper, kernel

SECOND_NS = 1_000_000_000
BLOCK = 1 << 16
"""Events between two complete re-quotings: 22 minutes at 50 events/s, rebuilt in well under 1 s.
At a re-quoting accounts' orders gain priority over the flow at their price; rarer is better."""
IDS_PER_EVENT = 1024
"""Flow order ids are −(index · 1024 + k + 1): k < 768 is the slot quoted, above it the takers."""
FIRST_TAKER = 768
MAX_SLOTS = FIRST_TAKER
MAX_TAKERS = 6
"""Market orders of one event in a burst."""

CALM, TREND, BURST, REVERTING = range(4)
REGIME_NAMES = ("calm", "trend", "burst", "mean-reverting")
CYCLE, DRIFT, ROUGH, SPREAD, TAKERS, BIAS = range(6)
# One row per regime: how it scales cycle, drift, fine noise, spread, number of takers, their bias.
_REGIME_SCALES = (
    (0.9, 0.5, 0.5, 0.8, 0.6, 0.0),
    (1.0, 2.0, 1.0, 1.0, 1.3, 0.5),
    (1.1, 1.2, 2.5, 2.2, 3.0, 0.3),
    (1.1, 0.5, 0.8, 1.0, 1.0, 0.0),
)

# Calm 30 %, trend 25 %, burst 15 %, mean-reverting 30 % of the blocks.
_REGIME_ENDS = (0.30, 0.55, 0.70, 1.0)
_EVEN = 0.5
# Most quotes in the way of a moving price are pulled by their owners; this share is hit.
_HIT_SHARE = 0.1

# Streams of random numbers.
_TIME, _REGIME, _DIRECTION, _CYCLE, _WANDER, _TREND, _ROUGH, _SPREAD_NOISE = range(8)
_OFFSET, _SIZE, _AGGRESSIVE, _TAKE, _TAKE_SIDE, _TAKE_SIZE, _TAKE_COUNT = range(8, 15)

# (period in seconds, share of the slow amplitude) of the octaves beyond ten minutes: what keeps
# months of prices moving and within bounds.
_SLOW_PERIODS_S = (2_592_000, 259_200, 43_200, 7_200)
_SLOW_SHARES = (0.5, 0.25, 0.15, 0.1)


class FlowParameters(NamedTuple):
    """What a `MarketSpec` comes down to in the kernels. Amplitudes are fractions of the price."""

    seed: int
    interval_ns: int
    open_price_ticks: float
    cycle_period_ns: int
    cycle_amplitude: float
    wander_amplitude: float
    slow_amplitude: float
    rough_amplitude: float
    regime_period_ns: int
    half_spread: float
    level_gap: float
    typical_lots: float
    taker_probability: float
    slots_per_side: int
    schedule: NDArray[np.int64]
    """Slot refreshed at each step of the cycle: 2·level, plus 1 for asks."""
    since: NDArray[np.int64]
    """How many events before this step its slot was refreshed last."""


@kernel
def regime_of(p: FlowParameters, block: int) -> int:
    """Draw the regime of a block of time."""
    u = uniform(p.seed, _REGIME, block)
    regime = CALM
    while u >= _REGIME_ENDS[regime]:
        regime += 1
    return regime


@helper
def regime_scale(p: FlowParameters, at_ns: int, what: int) -> float:
    """How the regime scales `what` at this moment, blended between blocks."""
    block = at_ns // p.regime_period_ns
    part = (at_ns - block * p.regime_period_ns) / p.regime_period_ns
    a = _REGIME_SCALES[regime_of(p, block)][what]
    b = _REGIME_SCALES[regime_of(p, block + 1)][what]
    return a + (b - a) * (part * part * (3.0 - 2.0 * part))


@helper
def _cycle(p: FlowParameters, at_ns: int) -> float:
    """Swing within [−1, 1], in a wave that changes sign at every half period."""
    half = p.cycle_period_ns // 2
    cell = at_ns // half
    part = (at_ns - cell * half) / half
    sign = 1.0 if cell % 2 == 0 else -1.0
    a = sign * (0.9 + 0.1 * uniform(p.seed, _CYCLE, cell))
    b = -sign * (0.9 + 0.1 * uniform(p.seed, _CYCLE, cell + 1))
    return a + (b - a) * (part * part * (3.0 - 2.0 * part))


@kernel
def fair_price(p: FlowParameters, at_ns: int) -> float:
    """Compute the reference price in ticks at `at_ns` after the epoch."""
    x = p.cycle_amplitude * regime_scale(p, at_ns, CYCLE) * _cycle(p, at_ns)
    x += p.wander_amplitude * noise(p.seed, _WANDER, at_ns, 300 * SECOND_NS)
    drift = regime_scale(p, at_ns, DRIFT)
    x += 0.25 * p.wander_amplitude * drift * noise(p.seed, _TREND, at_ns, 90 * SECOND_NS)
    rough = p.rough_amplitude * regime_scale(p, at_ns, ROUGH)
    x += rough * noise(p.seed, _ROUGH, at_ns, SECOND_NS)
    for i in range(4):
        period_ns = _SLOW_PERIODS_S[i] * SECOND_NS
        slow = noise(p.seed, 32 + i, at_ns, period_ns) - noise(p.seed, 32 + i, 0, period_ns)
        x += 0.5 * p.slow_amplitude * _SLOW_SHARES[i] * slow
    return p.open_price_ticks * (1.0 + x)


@kernel
def event_time(p: FlowParameters, index: int) -> int:
    """When event `index` happens, in ns after the epoch; strictly increasing in `index`."""
    return index * p.interval_ns + hash53(p.seed, _TIME, index) % p.interval_ns


@helper
def _quote(book: bk.BookArrays, p: FlowParameters, index: int, slot: int, at_ns: int) -> None:
    """Post the order of one slot around the fair price of this moment."""
    side = bk.SELL if slot % 2 == 1 else bk.BUY
    level = slot // 2
    counter = index * IDS_PER_EVENT + slot
    breath = 1.0 + 0.6 * noise(p.seed, _SPREAD_NOISE, at_ns, 7 * SECOND_NS)
    half = p.half_spread * breath * regime_scale(p, at_ns, SPREAD)
    steps = level + 0.06 * level * level + uniform(p.seed, _OFFSET, counter)
    fair = fair_price(p, at_ns)
    price = int(fair - side * p.open_price_ticks * (half + p.level_gap * steps))
    u = uniform(p.seed, _SIZE, counter)
    lots = int(p.typical_lots * (0.1 + 1.2 * u * u + 0.05 * level)) + 1
    flags = mt.QUIET
    if uniform(p.seed, _AGGRESSIVE, index) >= _HIT_SHARE:
        flags |= mt.PULL_OWN
    price = min(max(price, 1), bk.MAX_PRICE_TICKS)
    order = (-counter - 1, 0, side)
    mt.submit(book, order, mt.LIMIT, price, lots, flags, at_ns)


@helper
def _withdraw_flow(book: bk.BookArrays) -> None:
    for row in range(1, book.meta[bk.HIGH_ORDER] + 1):
        if book.orders[row, bk.ID] != 0 and book.orders[row, bk.OWNER] == 0:
            bk.remove(book, row)


@helper
def _refresh(book: bk.BookArrays, p: FlowParameters, index: int, at_ns: int) -> None:
    """Cancel the order of this event's slot and quote it anew; all slots at a block's start."""
    block_start = index - index % BLOCK
    if index == block_start:
        _withdraw_flow(book)
        for slot in range(2 * p.slots_per_side):
            _quote(book, p, index, slot, at_ns)
        return
    step = index % p.schedule.shape[0]
    slot = p.schedule[step]
    posted = max(index - p.since[step], block_start)
    row = bk.find(book, -(posted * IDS_PER_EVENT + slot) - 1)
    if row != 0:
        bk.remove(book, row)
    _quote(book, p, index, slot, at_ns)


@helper
def _take(book: bk.BookArrays, p: FlowParameters, index: int, at_ns: int) -> None:
    """Send this event's market orders, if it has any."""
    rate = p.taker_probability * regime_scale(p, at_ns, TAKERS)
    if uniform(p.seed, _TAKE, index) >= rate:
        return
    heads = uniform(p.seed, _DIRECTION, at_ns // p.regime_period_ns) < _EVEN
    bias = 0.25 * (1.0 if heads else -1.0) * regime_scale(p, at_ns, BIAS)
    side = bk.BUY if uniform(p.seed, _TAKE_SIDE, index) < _EVEN + bias else bk.SELL
    burst = uniform(p.seed, _TAKE_COUNT, index)
    count = 1 + int(MAX_TAKERS * burst * burst * burst * burst)
    for k in range(count):
        counter = index * IDS_PER_EVENT + FIRST_TAKER + k
        u = uniform(p.seed, _TAKE_SIZE, counter)
        # Sizes have a heavy, bounded tail: half below 0.1, one in a hundred above 2 × typical.
        lots = int(p.typical_lots * (0.01 + 0.07 * u / (1.025 - u))) + 1
        order = (-counter - 1, 0, side)
        mt.submit(book, order, mt.MARKET, 0, lots, mt.QUIET, at_ns)


@helper
def _has_space(book: bk.BookArrays, p: FlowParameters) -> bool:
    # Each trade of an event uses up its maker or its taker: makers are the resting orders and
    # those of a re-quoting, takers the same quotes and the market orders.
    most = book.meta[bk.OPEN] + 4 * p.slots_per_side + MAX_TAKERS
    return bool(book.meta[bk.EVENTS] + most <= book.events.shape[0])


@kernel
def apply_events(
    book: bk.BookArrays, p: FlowParameters, from_index: int, until_ns: int, max_events: int
) -> int:
    """Apply events from `from_index` while their time is at most `until_ns`; the next index.

    Stops early when `max_events` or more events were emitted.
    """
    index = from_index
    while book.meta[bk.EVENTS] < max_events:
        at_ns = event_time(p, index)
        if at_ns > until_ns:
            break
        if not _has_space(book, p):
            break
        _refresh(book, p, index, at_ns)
        _take(book, p, index, at_ns)
        index += 1
    return index
