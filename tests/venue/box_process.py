"""A box as a process of its own, to be killed: `python -m tests.venue.box_process PORT FILE`."""

import sys

import trio

from supervisor.clock import ProcessClock
from tests.venue.boxes import config
from venue.box import serve_venue


async def main() -> None:
    async with trio.open_nursery() as nursery:
        settings = config(port=int(sys.argv[1]), data_file=sys.argv[2])
        port = await nursery.start(serve_venue, settings, ProcessClock())
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()


trio.run(main)
