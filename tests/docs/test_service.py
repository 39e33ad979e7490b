"""systemd takes the unit as it is shipped, and it does not restart what needs a person."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot import errors
from tests.docs.pages import ROOT

UNIT = ROOT / "deploy" / "bot.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "bot.service"
    program = str(Path(sys.executable).parent / "bot")
    text = UNIT.read_text().replace("/opt/canopy/.venv/bin/bot", program)
    unit.write_text(text.replace("/opt/canopy", str(ROOT)))
    ended = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_needs_a_person_is_not_restarted() -> None:
    codes = (errors.CONFIGURATION, errors.DATA_HELD, errors.DATA_REFUSED, errors.USAGE)
    listed = f"RestartPreventExitStatus={' '.join(str(code) for code in sorted(codes))}\n"
    assert listed in UNIT.read_text()
