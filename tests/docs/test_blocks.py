"""Every command and every Python block on a page does what the page says."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from bot import cli
from tests.docs.pages import ROOT, Block, Command, blocks, commands

CONSOLE = blocks("console")
PYTHON = blocks("python")
# What cannot be run is named on the page with its reason; more than these is a sign of laziness.
NOT_RUN_MAX = 19
# A bot that has compiled its kernels runs after some seconds; on a busy machine after many.
START_WAIT_S = 60
LOOK_S = 0.2
COMMAND_WAIT_S = 60


def _ours(name: str) -> bool:
    """Whether a variable of the tester's own would change what the bot does."""
    return name.startswith(("CANOPY_", "XDG_"))


class Bot:
    """The one bot that all commands talk to: in a home of its own, with the shipped settings."""

    def __init__(self, home: Path) -> None:
        self.home = home
        runtime = home / "run"
        runtime.mkdir(mode=0o700)
        self.environment = {name: value for name, value in os.environ.items() if not _ours(name)}
        self.environment |= {
            "HOME": str(home),
            "CANOPY_RUNTIME_DIR": str(runtime),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.log = (home / "bot.stderr").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bot.cli", "start"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command as a person would; return its exit code and all that it printed."""
        words = shlex.split(command)
        if words[0].endswith("bot") and "--screenshot" not in words:
            return self._run_here(words[1:])
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_WAIT_S,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def _run_here(self, words: list[str]) -> tuple[int, str]:
        # A process of its own costs each command most of a second.
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.home)
            for name in filter(_ours, list(os.environ)):
                patch.delenv(name)
            for name in ("HOME", "CANOPY_RUNTIME_DIR", "PATH"):
                patch.setenv(name, self.environment[name])
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                code = cli.run(words)
        return code, printed.getvalue()

    def wait_until_it_runs(self) -> None:
        """Wait until verbs are answered; for its first trades it would need another ten seconds."""

        async def look() -> None:
            with trio.fail_after(START_WAIT_S):
                while "state       running" not in self.run_status():
                    assert self.process.poll() is None, (self.home / "bot.stderr").read_text()
                    await trio.sleep(LOOK_S)

        trio.run(look)

    def run_status(self) -> str:
        """Return what `bot status` prints, from a process of its own."""
        ended = subprocess.run(
            [sys.executable, "-m", "bot.cli", "status"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_WAIT_S,
            check=False,
        )
        return ended.stdout

    def close(self) -> None:
        """Stop the bot in good order."""
        self.process.terminate()
        self.process.wait(COMMAND_WAIT_S)
        self.log.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    bot = Bot(tmp_path_factory.mktemp("b"))
    try:
        bot.wait_until_it_runs()
        yield bot
    finally:
        bot.close()


def differing(command: Command, printed: str) -> list[str]:
    """Return the shown lines whose first word is not printed; those with digits may vary."""
    said = set(printed.split())
    first = [line.split()[0] for line in command.shown if line.strip()]
    return [word for word in first if word not in said and not re.search(r"\d|…", word)]


@pytest.mark.parametrize(
    "block", [block for block in CONSOLE if block.is_run], ids=lambda block: block.where
)
def test_commands_do_what_the_page_shows(block: Block, running: Bot) -> None:
    for command in commands(block):
        code, printed = running.run(command.text)
        assert code == block.exit_code, f"{block.where}: {command.text}\n{printed}"
        assert not differing(command, printed), f"{block.where}: {command.text}\n{printed}"


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.where)
def test_python_blocks_run(block: Block, tmp_path: Path) -> None:
    assert block.is_run, f"{block.where}: a Python block is executed"
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(block.lines)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_WAIT_S,
        check=False,
    )
    assert ended.returncode == 0, f"{block.where}\n{ended.stderr}"
    shown = [b for b in blocks("text") if b.page == block.page and b.info == "output"]
    follows = [b for b in shown if 0 < b.line - block.line - len(block.lines) < 6]
    for output in follows:
        missing = [line for line in output.lines if line not in ended.stdout.splitlines()]
        assert not missing, output.where


def test_what_is_not_run_has_a_reason_and_is_little(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = [block for block in CONSOLE if not block.is_run]
    with capsys.disabled():
        sys.stdout.write(f"\n{len(skipped)} of {len(CONSOLE)} console blocks are not run:\n")
        sys.stdout.writelines(f"  {block.where}: {block.reason}\n" for block in skipped)
    assert all(len(block.reason) > 10 for block in skipped), "say why a block is not run"
    assert len(skipped) <= NOT_RUN_MAX
    assert len(CONSOLE) - len(skipped) > len(skipped), "most of what is shown is run"


def test_other_remarks_are_understood() -> None:
    known = re.compile(r"|not run: .+|exit=\d+")
    assert [b.where for b in (*CONSOLE, *PYTHON) if not known.fullmatch(b.info)] == []
