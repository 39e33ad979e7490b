"""systemd takes the unit as it is shipped, and it does not restart what needs a person."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot import errors
from tests.docs.pages import ROOT

# systemd's scale goes to 10; systemd 252 says 1.4, and others weigh a little differently.
EXPOSURE_MAX = 1.6
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


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_finds_little_that_the_service_could_do_to_the_host() -> None:
    ended = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unrecognized option" in ended.stderr:
        pytest.skip("this systemd cannot judge a unit that is not loaded (older than 250)")
    found = re.search(r"Overall exposure level for bot.service: ([0-9.]+)", ended.stdout)
    assert found is not None, ended.stderr
    # What is left: it uses the network, and numba writes machine code.
    assert float(found[1]) <= EXPOSURE_MAX


def test_what_needs_a_person_is_not_restarted() -> None:
    codes = (errors.CONFIGURATION, errors.DATA_HELD, errors.DATA_REFUSED, errors.USAGE)
    listed = f"RestartPreventExitStatus={' '.join(str(code) for code in sorted(codes))}\n"
    assert listed in UNIT.read_text()
