import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.timestamps import rfc3339_ns, rfc3339_text, unix_seconds_ns


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_timestamp_round_trip_in_milliseconds(at_ms: int) -> None:
    assert rfc3339_ns(rfc3339_text(at_ms * 1_000_000)) == at_ms * 1_000_000


@pytest.mark.parametrize(
    "text", ["", "Z", "yesterday", "2024-07-18T12:00:00", "2024-07-18T12:00:00.1234567890Z",
             "2024-13-18T12:00:00Z", "2024-07-18T12:00:00.12x4Z"]
)  # fmt: skip
def test_bad_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is Python's in one case
        rfc3339_ns(text)


def test_nanoseconds_survive() -> None:
    assert rfc3339_ns("2023-10-04T16:26:30.524394914Z") % 10**9 == 524_394_914
    assert unix_seconds_ns("1733815269.370054") == 1_733_815_269_370_054_000
