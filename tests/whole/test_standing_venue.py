"""`bot venue` as a process: what it says when it cannot run, and how it ends."""

from pathlib import Path

import pytest

from tests.whole.processes import Process, StandingVenue, closing


@pytest.mark.check
def test_a_venue_ends_in_good_order_and_says_what_keeps_it_from_running(tmp_path: Path) -> None:
    venue = StandingVenue(tmp_path, "none", lag_ms=0)
    words = tuple(venue.words)
    twin = Process(tmp_path / "twin.log", *words)
    rival = Process(tmp_path / "rival.log", *words[:3], "--port")
    with closing(venue, twin, rival):
        venue.begin()
        twin.start()
        rival.start(str(venue.port))
        assert twin.ended() == 1
        assert "is in use by another exchange in a box: stop that one" in twin.said()
        assert rival.ended() == 1
        assert f"port {venue.port} cannot be listened on" in rival.said()
        assert "Traceback" not in twin.said() + rival.said()
        assert venue.ask("status")["markets"]["ETH/USDT"]["event_index"] > 0
        assert venue.stop() == 0
        assert "Traceback" not in venue.said()
        venue.begin()
        assert venue.stop() == 0


@pytest.mark.check
def test_a_source_that_cannot_be_is_a_wrong_configuration(tmp_path: Path) -> None:
    text = tmp_path / "text.gz"
    text.write_text("not gzip")
    broken = Process(tmp_path / "broken.log", "venue", "--recorded", str(text))
    both = Process(tmp_path / "both.log", "venue", "--recorded", str(text), "--candles", str(text))
    with closing(broken, both):
        both.start()
        assert both.ended() == 2
        assert "choose --recorded or --candles" in both.said()
        broken.start()
        assert broken.ended() == 4
        assert "recorded: is not a gzip file" in broken.said()
