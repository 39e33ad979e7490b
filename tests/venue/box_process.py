"""Boxes as processes of their own, to be killed: `python -m tests.venue.box_process FILE`.

Each line `start` on its input forks a box, which writes its port; `kill` ends that one by SIGKILL
and answers `killed`. Kernels are loaded once, before the first fork.
"""

import os
import signal
import sys

import trio

from supervisor.clock import ProcessClock
from tests.venue.boxes import config
from venue.box import serve_venue
from venue.kernels import warm


async def serve(data_file: str) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_venue, config(data_file=data_file), ProcessClock())
        say(str(port))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(data_file: str) -> None:
    warm()
    box = 0
    for command in sys.stdin:
        if command == "start\n":
            box = os.fork()
            if box == 0:
                trio.run(serve, data_file)
        else:
            os.kill(box, signal.SIGKILL)
            os.waitpid(box, 0)
            box = 0
            say("killed")
    if box:
        os.kill(box, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
