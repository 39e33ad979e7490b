"""How verbs fail: with an exit code that scripts rely on and a sentence that says what to do next.

VerbError            1
├── NotRunningError  5   no daemon keeps the data folder
├── TimedOutError    6   the daemon did not answer in time
└── FailedError      any   another part's error, with its own exit code
"""

from pathlib import Path

import click

OK = 0
ERROR = 1
USAGE = 2
DIVERGED = 3
CONFIGURATION = 4
NOT_RUNNING = 5
TIMED_OUT = 6
DATA_HELD = 7
DATA_REFUSED = 8
STORE_LOST = 9
INVARIANT = 70


class VerbError(click.ClickException):
    """A verb could not do what it was asked."""

    exit_code = ERROR

    def ends_with(self, exit_code: int) -> None:
        """Have this one error end the process with another code than its class's."""
        # To click it is a constant of the class, which the instance's own then hides.
        vars(self)["exit_code"] = exit_code


class NotRunningError(VerbError):
    """No daemon answers for the data folder."""

    exit_code = NOT_RUNNING

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no bot runs on the data folder {folder}: start it with "
            f"`bot start --data-dir {folder}`, or name the right folder with --data-dir"
        )


class TimedOutError(VerbError):
    """The daemon did not answer in time."""

    exit_code = TIMED_OUT

    def __init__(self, what: str, wait_s: float) -> None:
        super().__init__(
            f"{what} within {wait_s:g} s: the bot may be busy, try again or look at `bot log`"
        )


class FailedError(VerbError):
    """An error of another part, which names its exit code."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.ends_with(getattr(error, "exit_code", ERROR))
