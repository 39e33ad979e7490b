"""The step interface: what a strategy is.

A strategy is one pure function on numbers, `step(memory, now_ns, legs, positions, signals,
params) -> (memory, wishes)`, and a declaration around it. The same function runs live and under a
debugger as plain Python, and compiled by numba in bulk backtests, with the same results to the
last bit: only + - * / and comparisons, no transcendental functions, every argument and result a
NamedTuple of numbers or a tuple of them.

    @register
    class Mine(Strategy):
        name = "mine"
        ...
"""

from typing import Any, ClassVar, NamedTuple

Numbers = Any
"""A NamedTuple of numbers of a strategy's own type, or a tuple of them."""

# --- what step is given


class Leg(NamedTuple):
    """One instrument as it stands. Prices in ticks, quantities in lots, 0 for what is not known."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int
    top_ns: int
    """When the top of book came in."""
    candle_ns: int
    """The open of the newest closed candle; it changes when a candle closes."""
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    cost_ppm: int
    """What an entry and an exit cost together: taker's fees and slippage, in millionths."""
    edge_ppm_min: int
    """By how much an entry's expected edge must exceed that."""


class Holding(NamedTuple):
    """The sleeve's position in one instrument."""

    lots: int
    """Below zero: a short position in a perpetual."""
    entry_ticks: int
    """The mean price paid; 0 without a position."""
    buying: int
    """1 while a buy is in flight."""
    selling: int
    """1 while a sell is in flight."""
    since_ns: int
    """When the position was opened."""


class Opinion(NamedTuple):
    """A model's or rule's newest signal for one instrument; all 0 without one."""

    probability_up: float
    probability_win: float
    expected_return: float
    confidence: float
    at_ns: int


# --- what step answers

NOTHING, LIMIT, MARKET, CANCEL, AMEND, STOP, TAKE, STOP_LIMIT, TRAIL = 0, 1, 2, 3, 4, 5, 6, 7, 8
# STOP and TAKE sell at the market once the price comes to `price_ticks`; STOP_LIMIT sells at
# `price_ticks` or better once it comes to `stop_ticks`; TRAIL sells at the market once it is
# `price_ticks` below the best since.
BUY, SELL = 1, -1


class Wish(NamedTuple):
    """What to do; see `kind`."""

    kind: int
    """NOTHING; LIMIT, MARKET, STOP, TAKE, STOP_LIMIT, TRAIL; CANCEL what is in flight on that side,
    or AMEND it."""
    leg: int
    side: int
    price_ticks: int
    quantity_lots: int
    """0: as much as the cash allows, or the whole position."""
    post_only: int
    time_to_live_ns: int
    stop_ticks: int
    """Where guard closes the position; 0 for nowhere."""
    take_ticks: int
    reason: int
    """Index into the strategy's `reasons`: why it does this, or does nothing."""


def no_wish(reason: int) -> Wish:
    """Return the wish to do nothing, for a reason."""
    return Wish(NOTHING, 0, BUY, 0, 0, 0, 0, 0, 0, reason)


# --- the declaration


class Parameter(NamedTuple):
    """A number that the operator may set."""

    name: str
    """Its unit last: `dip_ppm`, `window_ns`."""
    default: float
    lowest: float
    highest: float
    text: str


class UnknownStrategyError(LookupError):
    """No strategy is registered by that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no strategy {name!r}: choose one of {', '.join(_registered)}")


class ParameterError(ValueError):
    """A parameter that the strategy does not have, or out of its bounds."""


class Strategy:
    """The base of all strategies: a declaration; nothing of it is ever instantiated."""

    name: ClassVar[str]
    text: ClassVar[str]
    legs: ClassVar[int] = 1
    wishes: ClassVar[int] = 1
    """How many wishes `step` returns."""
    timeframe_ns: ClassVar[int] = 0
    """The candles it wants; 0 for none: it steps at each change of a top of book."""
    warm_up_ns: ClassVar[int] = 0
    """How long `step` only watches after a start or a gap; it keeps that itself, by its memory."""
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    reasons: ClassVar[tuple[str, ...]] = ("",)
    """Why it does nothing, in words; `Wish.reason` is an index."""
    memory_type: ClassVar[type[Any]]
    params_type: ClassVar[type[Any]]

    @staticmethod
    def begin(params: Numbers) -> Numbers:
        """Return the memory before the first step."""
        raise NotImplementedError

    @staticmethod
    def step(
        memory: Numbers,
        now_ns: int,
        legs: Numbers,
        holdings: Numbers,
        opinions: Numbers,
        params: Numbers,
    ) -> tuple[Numbers, tuple[Wish, ...]]:
        """Return the next memory and what to do."""
        raise NotImplementedError

    @classmethod
    def settings(cls, given: dict[str, float]) -> Numbers:
        """Return the params for `step`: what is given, and defaults for the rest.

        A parameter whose default is an integer is one. Raises `ParameterError` with all problems.
        """
        known = {parameter.name: parameter for parameter in cls.parameters}
        problems = [
            f"{name}: {cls.name} has no such parameter; it has {', '.join(known)}"
            for name in given
            if name not in known
        ]
        values: dict[str, float] = {}
        for parameter in cls.parameters:
            value = given.get(parameter.name, parameter.default)
            if not parameter.lowest <= value <= parameter.highest:
                problems.append(
                    f"{parameter.name} is {value}: it may be {parameter.lowest} to "
                    f"{parameter.highest}"
                )
                continue
            values[parameter.name] = int(value) if isinstance(parameter.default, int) else value
        if problems:
            raise ParameterError("; ".join(problems))
        return cls.params_type(**values)


_registered: dict[str, type[Strategy]] = {}
Strategies = dict[str, type[Strategy]]


def register(strategy: type[Strategy]) -> type[Strategy]:
    """Make a strategy known by its name; a second one of the same name is refused."""
    name = strategy.name
    if _registered.setdefault(name, strategy) is not strategy:
        raise ValueError(f"two strategies are called {name!r}: rename one of them")
    fields = strategy.params_type._fields
    declared = tuple(parameter.name for parameter in strategy.parameters)
    assert fields == declared, f"{name} declares {declared} and takes {fields}"
    assert strategy.reasons[0] == "", "reason 0 is: nothing to say"
    return strategy


def strategy(name: str) -> type[Strategy]:
    """Return the strategy called `name`; raises `UnknownStrategyError`."""
    if name not in _registered:
        raise UnknownStrategyError(name)
    return _registered[name]


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies, in the order of their registration."""
    return tuple(_registered)


def registered() -> Strategies:
    """Return the register itself, for tools that put others in their place for a while."""
    return _registered
