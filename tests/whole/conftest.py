"""What several test files of the whole share."""

import pytest
import trio

from tests.whole.lives import Recording, record


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Return a recorded run in which everything crashed once."""
    folder = tmp_path_factory.mktemp("lives")
    return trio.run(record, folder)
