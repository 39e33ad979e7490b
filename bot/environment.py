"""The process environment, and where files stand.

This is the only module that reads it:

    CANOPY_CONFIG           the configuration file, where `--config` names none
    CANOPY_RUNTIME_DIR      where the control socket is made; must be a short path
    CANOPY_KILL_SWITCH      1: the bot starts with the kill switch engaged
    CANOPY_<TABLE>__<KEY>   overrides one value: CANOPY_LOG__LEVEL=debug,
                            CANOPY_VENUES__KRAKEN_SIM__BOX__SEED=7 (`-` is written `_`)
    XDG_CONFIG_HOME, XDG_RUNTIME_DIR, HOME      where files stand, as freedesktop.org says
    CREDENTIALS_DIRECTORY   where systemd puts what LoadCredential= names: keys, their passphrase
    NOTIFY_SOCKET, WATCHDOG_USEC                from systemd, for `Type=notify`
    JOURNAL_STREAM                              from systemd: which stream goes to journald
    CANOPY_JOURNAL_SOCKET   journald's socket, where it is not at its usual place

It needs nothing but the standard library: verbs that only ask a running bot start in no time.
"""

import hashlib
import os
from pathlib import Path
from typing import TextIO

# Enough of a hash that two data folders of one user never share a socket name.
_SOCKET_DIGEST_BYTES = 8
# Where journald listens, on every system that has one.
JOURNAL_SOCKET = "/run/systemd/journal/socket"
SWITCH_POSITIONS = {"": False, "0": False, "1": True}
"""What CANOPY_KILL_SWITCH may say."""


class Environment:
    """The process environment, or a stand-in for tests."""

    def __init__(self, variables: dict[str, str] | None = None, uid: int | None = None) -> None:
        self.variables = dict(os.environ) if variables is None else variables
        self.uid = os.getuid() if uid is None else uid

    def get(self, name: str) -> str:
        """Return a variable, "" if it is not set."""
        return self.variables.get(name, "")

    def expand(self, folder: str) -> Path:
        """Return an absolute path; `~` is the home folder."""
        home = self.get("HOME") or "/"
        if folder == "~" or folder.startswith("~/"):
            folder = home + folder[1:]
        return Path(folder).absolute()

    @property
    def kill_switch(self) -> bool:
        """Whether the bot is to start with the kill switch engaged; anything odd counts as yes."""
        return SWITCH_POSITIONS.get(self.get("CANOPY_KILL_SWITCH"), True)

    @property
    def notify_socket(self) -> str:
        """Where systemd wants to hear from us; "" if it does not."""
        return self.get("NOTIFY_SOCKET")

    @property
    def watchdog_us(self) -> int:
        """How often systemd wants to hear from us at least; 0 if it does not."""
        text = self.get("WATCHDOG_USEC")
        return int(text) if text.isdigit() else 0

    def journal_socket(self, out: TextIO) -> str:
        """Return journald's socket if `out` is what it reads of us (JOURNAL_STREAM), else ""."""
        device, _, inode = self.get("JOURNAL_STREAM").partition(":")
        try:
            found = os.fstat(out.fileno())
        except (OSError, ValueError):
            return ""
        if (device, inode) != (str(found.st_dev), str(found.st_ino)):
            return ""
        return self.get("CANOPY_JOURNAL_SOCKET") or JOURNAL_SOCKET


def pointer_path(folder: Path) -> Path:
    """Return the file in a data folder that names the control socket of the bot that runs."""
    return folder / "socket"


def runtime_folder(environment: Environment) -> Path:
    """Return where the control socket belongs: short, private to the user, gone after a reboot."""
    named = environment.get("CANOPY_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR")
    for folder in (named, f"/run/user/{environment.uid}"):
        if folder and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    return Path("/tmp") / f"canopy-{environment.uid}"  # noqa: S108 - made 0700, its owner checked


def socket_path(environment: Environment, folder: Path) -> Path:
    """Return the name of the control socket of the bot that keeps its data in `folder`."""
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=_SOCKET_DIGEST_BYTES).hexdigest()
    return runtime_folder(environment) / f"canopy-{digest}.sock"
