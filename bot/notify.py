"""What systemd is told (`Type=notify`): that we are ready, alive, stopping."""

import logging

import trio

from bot.environment import Environment
from supervisor.net import send_unix_datagram

logger = logging.getLogger("daemon")

MICROSECONDS_PER_SECOND = 1_000_000


class Notifier:
    """Tells systemd, if it asked to be told."""

    def __init__(self, environment: Environment) -> None:
        self._address = environment.notify_socket
        self._watchdog_us = environment.watchdog_us

    async def tell(self, *lines: str) -> None:
        """Send `READY=1`, `STOPPING=1`, `STATUS=…`, `WATCHDOG=1`."""
        if not self._address:
            return
        try:
            await send_unix_datagram(self._address, "\n".join(lines).encode())
        except OSError as error:
            logger.warning("systemd cannot be told (%s); the bot runs on", error)

    async def keep_alive(self) -> None:
        """Tell twice per watchdog period that the event loop turns; return if nobody asked."""
        while self._address and self._watchdog_us:
            await self.tell("WATCHDOG=1")
            await trio.sleep(self._watchdog_us / 2 / MICROSECONDS_PER_SECOND)
