"""Misbehaviour on command and from a seed.

A request fault is decided once per request, a frame fault once per WebSocket frame. Commands (armed
faults) come first and are used up one by one; then the profile's rates apply. Decisions are a
function of (seed, how many decisions were made before), so a run can be repeated.

    request faults   delay         wait, then handle the request
                     refuse        answer EService:Unavailable without handling it
                     slow_reply    handle it at once, answer late
                     lose_ack      handle it, then close the connection without an answer
                     hang          handle it, then never answer
                     http_429      handle it, then answer 429 Too Many Requests
                     http_5xx      handle it, then answer 502, 503 or 520 with an HTML page
                     truncate      handle it, then answer half of the body and close
                     garbage       handle it, then answer something that is not JSON
    frame faults     drop_socket   abort the connection instead of sending the frame
                     duplicate     send the frame twice
                     truncate_frame  send half of it
                     garbage_frame   send something that is not JSON before it
                     gap           do not send it, so that sequence or checksum no longer fit
"""

from enum import StrEnum
from typing import NamedTuple

from venue.config import FaultProfileName

PPM = 1_000_000
ARMED_MAX = 1_000  # commands waiting at once; a test that needs more has a typing error
_MASK = (1 << 64) - 1


class Fault(StrEnum):
    """One kind of misbehaviour."""

    LATE_START = "delay"
    REFUSE = "refuse"
    SLOW_REPLY = "slow_reply"
    LOSE_ACK = "lose_ack"
    HANG = "hang"
    HTTP_429 = "http_429"
    HTTP_5XX = "http_5xx"
    TRUNCATE = "truncate"
    GARBAGE = "garbage"
    DROP_SOCKET = "drop_socket"
    DUPLICATE = "duplicate"
    TRUNCATE_FRAME = "truncate_frame"
    GARBAGE_FRAME = "garbage_frame"
    GAP = "gap"


FRAME_FAULTS = frozenset(
    (
        Fault.DROP_SOCKET,
        Fault.DUPLICATE,
        Fault.TRUNCATE_FRAME,
        Fault.GARBAGE_FRAME,
        Fault.GAP,
    )
)

Rates = dict[Fault, int]
"""Parts per million of all requests, or of all frames."""

PROFILES: dict[FaultProfileName, Rates] = {
    FaultProfileName.NONE: {},
    FaultProfileName.MILD: {
        Fault.LATE_START: 20_000,
        Fault.SLOW_REPLY: 20_000,
        Fault.REFUSE: 10_000,
        Fault.LOSE_ACK: 5_000,
        Fault.HTTP_429: 3_000,
        Fault.HTTP_5XX: 5_000,
        Fault.TRUNCATE: 1_000,
        Fault.DUPLICATE: 1_000,
        Fault.GAP: 500,
        Fault.DROP_SOCKET: 200,
        Fault.GARBAGE_FRAME: 200,
        Fault.TRUNCATE_FRAME: 200,
    },
    FaultProfileName.NASTY: {
        Fault.LATE_START: 60_000,
        Fault.SLOW_REPLY: 60_000,
        Fault.REFUSE: 40_000,
        Fault.LOSE_ACK: 40_000,
        Fault.HANG: 5_000,
        Fault.HTTP_429: 20_000,
        Fault.HTTP_5XX: 40_000,
        Fault.TRUNCATE: 10_000,
        Fault.GARBAGE: 10_000,
        Fault.DUPLICATE: 10_000,
        Fault.GAP: 5_000,
        Fault.DROP_SOCKET: 2_000,
        Fault.GARBAGE_FRAME: 2_000,
        Fault.TRUNCATE_FRAME: 2_000,
    },
}


class ArmedFault(NamedTuple):
    """A command: the next request or frame whose name matches gets `fault`."""

    fault: Fault
    target: str
    """An endpoint or channel as the protocol names it (`AddOrder`, `book`); empty: any."""
    duration_ms: int


class Decision(NamedTuple):
    """What to do to one request or frame."""

    fault: Fault
    duration_ms: int
    draw: int
    """A random 32-bit number for what the fault still has to choose."""


def _mixed(value: int) -> int:
    """SplitMix64's finalizer: a good 64-bit hash of a counter."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class FaultPlan:
    """Decides who is treated badly, and how."""

    def __init__(self, seed: int, profile: FaultProfileName = FaultProfileName.NONE) -> None:
        self._seed = _mixed(seed & _MASK)
        self._drawn = 0
        self._armed: list[ArmedFault] = []
        self.rates: Rates = {}
        self.profile = profile
        self.counts: dict[Fault, int] = {}
        self.set_profile(profile)

    def set_profile(self, profile: FaultProfileName) -> None:
        """Let the rates of `profile` apply from now on."""
        self.profile = profile
        self.rates = dict(PROFILES[profile])

    def arm(self, fault: Fault, target: str = "", count: int = 1, duration_ms: int = 0) -> None:
        """Command `fault` for the next `count` matching requests or frames."""
        assert 0 < count <= ARMED_MAX - len(self._armed), "too many faults armed"
        self._armed.extend([ArmedFault(fault, target, duration_ms)] * count)

    def armed(self) -> list[ArmedFault]:
        """Return the commands not used up yet."""
        return list(self._armed)

    def disarm(self) -> None:
        """Forget all commands."""
        self._armed.clear()

    def for_request(self, endpoint: str) -> Decision | None:
        """Decide about one request."""
        return self._decide(endpoint, frames=False)

    def for_frame(self, channel: str) -> Decision | None:
        """Decide about one WebSocket frame."""
        return self._decide(channel, frames=True)

    def _decide(self, target: str, *, frames: bool) -> Decision | None:
        for position, armed in enumerate(self._armed):
            if (armed.fault in FRAME_FAULTS) == frames and armed.target in ("", target):
                del self._armed[position]
                return self._decided(armed.fault, armed.duration_ms)
        if not self.rates:
            return None
        point = self._draw() % PPM
        for fault, rate_ppm in self.rates.items():
            if (fault in FRAME_FAULTS) != frames:
                continue
            if point < rate_ppm:
                return self._decided(fault, 0)
            point -= rate_ppm
        return None

    def _decided(self, fault: Fault, duration_ms: int) -> Decision:
        self.counts[fault] = self.counts.get(fault, 0) + 1
        draw = self._draw() >> 32
        return Decision(fault, duration_ms or 50 + draw % 950, draw)

    def _draw(self) -> int:
        self._drawn += 1
        return _mixed(self._seed ^ (self._drawn * 0x2545F4914F6CDD1D & _MASK))
