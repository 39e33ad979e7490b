"""The life of a sleeve, as a table."""

from enum import Enum


class Life(Enum):
    """What the sleeve is meant to do; whether it can is another matter (data, account, money)."""

    ACTIVE = "active"
    PAUSING = "pausing"
    """No entries; the open position is exited as planned, then it is paused (V9)."""
    PAUSED = "paused"
    CLOSING = "closing"
    """Cancels its orders and sells its positions at the market, then it is paused."""
    FROZEN = "frozen"
    """A message crashed it: it does nothing until an operator resumes it; guard holds its exits."""


class Act(Enum):
    """What moves a sleeve from one to the other."""

    PAUSE = "pause"
    RESUME = "resume"
    CLOSE = "close"
    FLAT = "flat"
    """No position and no order is left."""
    FREEZE = "freeze"


LIFE: dict[tuple[Life, Act], Life] = {
    (Life.ACTIVE, Act.PAUSE): Life.PAUSING,
    (Life.ACTIVE, Act.RESUME): Life.ACTIVE,
    (Life.ACTIVE, Act.CLOSE): Life.CLOSING,
    (Life.ACTIVE, Act.FREEZE): Life.FROZEN,
    (Life.PAUSING, Act.PAUSE): Life.PAUSING,
    (Life.PAUSING, Act.RESUME): Life.ACTIVE,
    (Life.PAUSING, Act.CLOSE): Life.CLOSING,
    (Life.PAUSING, Act.FLAT): Life.PAUSED,
    (Life.PAUSING, Act.FREEZE): Life.FROZEN,
    (Life.PAUSED, Act.PAUSE): Life.PAUSED,
    (Life.PAUSED, Act.RESUME): Life.ACTIVE,
    (Life.PAUSED, Act.CLOSE): Life.CLOSING,
    (Life.PAUSED, Act.FREEZE): Life.FROZEN,
    (Life.CLOSING, Act.PAUSE): Life.CLOSING,
    (Life.CLOSING, Act.CLOSE): Life.CLOSING,
    (Life.CLOSING, Act.FLAT): Life.PAUSED,
    (Life.CLOSING, Act.FREEZE): Life.FROZEN,
    (Life.FROZEN, Act.RESUME): Life.ACTIVE,
    (Life.FROZEN, Act.CLOSE): Life.CLOSING,
    (Life.FROZEN, Act.FREEZE): Life.FROZEN,
}

REFUSALS: dict[tuple[Life, Act], str] = {
    (Life.CLOSING, Act.RESUME): "it is closing its position: resume it when it is paused",
    (
        Life.FROZEN,
        Act.PAUSE,
    ): "it is frozen and does nothing: resume it first, or close its position",
}
"""What an operator is told who asks for a move that the table does not have."""


class IllegalMoveError(Exception):
    """The table has no such move: a bug of the caller."""

    def __init__(self, life: Life, act: Act) -> None:
        super().__init__(f"a sleeve that is {life.value} cannot {act.value}")


def moved(life: Life, act: Act) -> Life:
    """Return where `act` leads; raises `IllegalMoveError` if the table does not say."""
    if (life, act) not in LIFE:
        raise IllegalMoveError(life, act)
    return LIFE[life, act]
