"""What one seed is to go through: sizes, time-outs and the mix of faults, drawn as a swarm.

Each seed has some kinds of faults and not others, and some seeds have none: a bot that only works
under constant fire, or only without, shows.
"""

from enum import Enum

import msgspec

from messages.settings import Faults, TreeSettings
from research.simulation.network import Weather
from research.simulation.seeds import Streams, stream


class Kind(Enum):
    """One kind of fault; what it does stands in `docs/simulation.md`."""

    # scheduler
    LONG_STEP = "scheduler.long-step"
    BUGGIFY = "scheduler.buggify"
    # clock
    WALL_JUMP = "clock.wall-jump"
    STOPPED = "clock.stopped"
    # mailbox
    UNKNOWN_MESSAGE = "mailbox.unknown-message"
    SMALL = "mailbox.small"
    # actor
    CRASH = "actor.crash"
    POISON = "actor.poison"
    PORT_CRASH = "actor.port-crash"
    PORT_HANG = "actor.port-hang"
    MEMORY = "actor.out-of-memory"
    SUSPENDED = "actor.suspended"
    # store
    IO_ERROR = "store.io-error"
    DISK_FULL = "store.disk-full"
    SLOW_COMMIT = "store.slow-commit"
    STALE_SNAPSHOT = "store.stale-snapshot"
    BIT_ROT = "store.bit-rot"
    # transport
    REFUSE = "transport.refuse"
    NO_NAME = "transport.no-name"
    RESET = "transport.reset"
    HALF_OPEN = "transport.half-open"
    STALL = "transport.stall"
    CHOP = "transport.chop"
    PARTITION = "transport.partition"
    # exchange
    MILD = "exchange.mild"
    NASTY = "exchange.nasty"
    LOST_ACK = "exchange.lost-ack"
    DROP_SOCKETS = "exchange.drop-sockets"
    LATE_SIGHT = "exchange.late-sight"
    CANCEL_ONLY = "exchange.cancel-only"
    DEPOSIT = "exchange.deposit"
    TOKENS = "exchange.revoke-tokens"
    # host
    POWER_CUT = "host.power-cut"
    KILL = "host.kill"
    RESTART = "host.restart"
    NO_FILES = "host.no-files"
    SECOND = "host.second-instance"
    # operator
    KILL_SWITCH = "operator.kill-switch"
    PAUSE = "operator.pause"
    RECONCILE = "operator.reconcile"
    CANCEL_ALL = "operator.cancel-all"


PROFILES: dict[str, tuple[Kind, ...]] = {
    "none": (),
    "all": tuple(Kind),
    **{
        layer: tuple(kind for kind in Kind if kind.value.startswith(f"{layer}."))
        for layer in dict.fromkeys(kind.value.partition(".")[0] for kind in Kind)
    },
}
"""By name: what a run may have; a swarm draws from it."""
KIND_HAD = 0.4
"""The chance of a seed to have a kind of fault."""
CALM_SEEDS_IN = 8
"""One seed in so many has no faults at all."""
# A market that is looked at once per swing, always in the same phase, never moves.
TICKS_PER_CYCLE_MIN = 4
# A slow market is seen now and then, rarely at its turns: it must swing further to be bought.
WIDER_SWINGS = 2


SECONDS_PER_HOUR = 3_600


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is decided about a run before it begins."""

    seed: int
    seconds: float
    """Of virtual time in the phase with faults."""
    kinds: tuple[Kind, ...]
    tick_interval_ms: int
    cycle_period_s: int
    submit_expiry_ms: int
    reconcile_every_s: int
    fault_every_s: float
    """The mean time between two faults that are done one by one, of all usual kinds."""
    commit_s_max: float
    restart_s_max: float
    paranoid: bool
    acts: tuple[str, ...] | None = None
    """Of the faults that are done one by one, those that are, as `host.kill:2`; None for all."""

    def has(self, kind: Kind) -> bool:
        """Whether the run has faults of this kind."""
        return kind in self.kinds

    @property
    def command(self) -> str:
        """The one command that runs this plan."""
        kinds = ",".join(kind.value for kind in self.kinds) or "none"
        acts = "" if self.acts is None else f" --acts {','.join(self.acts) or 'none'}"
        hours = self.seconds / SECONDS_PER_HOUR
        return f"bot sim --seed {self.seed} --hours {hours!r} --faults {kinds}{acts}"


def draw(seed: int, seconds: float, allowed: tuple[Kind, ...], *, swarm: bool = True) -> Plan:
    """Return the plan of `seed`; without `swarm` it has every kind that is allowed."""
    draws = Streams.of(seed).swarm
    calm = draws.randrange(CALM_SEEDS_IN) == 0
    # A stream each: a kind that is added moves no other.
    kinds = tuple(kind for kind in Kind if stream(seed, kind.value).random() < KIND_HAD)
    tick_interval_ms = draws.choice((250, 1_000, 2_000))
    if not swarm:
        kinds = tuple(Kind)
    elif calm:
        kinds = ()
    return Plan(
        seed=seed,
        seconds=seconds,
        kinds=tuple(kind for kind in kinds if kind in allowed),
        tick_interval_ms=tick_interval_ms,
        cycle_period_s=max(
            draws.choice((4, 8, 20)), TICKS_PER_CYCLE_MIN * tick_interval_ms // 1_000
        ),
        submit_expiry_ms=draws.choice((2_500, 4_000, 5_000)),
        reconcile_every_s=draws.choice((20, 30, 60)),
        fault_every_s=draws.choice((2.0, 5.0, 12.0)),
        commit_s_max=draws.choice((0.0, 0.002, 0.02)),
        restart_s_max=draws.choice((0.5, 3.0, 20.0)),
        paranoid=draws.random() < 0.1,  # noqa: PLR2004 - one in ten
    )


def settings_for(plan: Plan, shipped: TreeSettings) -> TreeSettings:
    """Return the shipped settings in the sizes of `plan`."""
    replace = msgspec.structs.replace
    venues = {}
    for name, venue in shipped.venues.items():
        assert venue.box is not None, "the venues of a simulation are boxes"
        faults = Faults.NONE
        if plan.has(Kind.NASTY):
            faults = Faults.NASTY
        elif plan.has(Kind.MILD):
            faults = Faults.MILD
        markets = tuple(
            replace(
                market,
                cycle_period_s=plan.cycle_period_s,
                cycle_amplitude_bps=WIDER_SWINGS * market.cycle_amplitude_bps
                if plan.tick_interval_ms > venue.box.tick_interval_ms
                else market.cycle_amplitude_bps,
            )
            for market in venue.box.markets
        )
        box = replace(
            venue.box,
            seed=Streams.of(plan.seed).market_seed,
            faults=faults,
            markets=markets,
            tick_interval_ms=plan.tick_interval_ms,
            visibility_lag_ms=1_500 if plan.has(Kind.LATE_SIGHT) else 0,
        )
        venues[name] = replace(
            venue,
            box=box,
            submit_expiry_ms=plan.submit_expiry_ms,
            reconcile_every_s=plan.reconcile_every_s,
        )
    return replace(shipped, venues=venues)


def weather_of(plan: Plan) -> Weather:
    """Return how bad the network of `plan` is."""
    draws = stream(plan.seed, "weather")
    delay_s = draws.choice((0.0, 0.005, 0.05))
    return Weather(
        delay_s_min=delay_s / 4,
        delay_s_max=delay_s,
        no_name_ppm=50_000 if plan.has(Kind.NO_NAME) else 0,
        refuse_ppm=50_000 if plan.has(Kind.REFUSE) else 0,
        reset_ppm=1_500 if plan.has(Kind.RESET) else 0,
        half_open_ppm=400 if plan.has(Kind.HALF_OPEN) else 0,
        stall_ppm=4_000 if plan.has(Kind.STALL) else 0,
        stall_s_max=8.0,
        chop_ppm=50_000 if plan.has(Kind.CHOP) else 0,
    )
