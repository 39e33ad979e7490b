"""What every request to the control socket has: an id, a time-out, and who may ask it."""

from typing import Annotated

import msgspec

# Above the longest act (a kill switch that waits for every line), below a person's patience.
TIMEOUT_MS_MAX = 120_000
TIMEOUT_MS = 10_000

RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Address = Annotated[str, msgspec.Meta(pattern="^/", max_length=512)]
Text = Annotated[str, msgspec.Meta(max_length=500)]
TimeoutMs = Annotated[int, msgspec.Meta(ge=1, le=TIMEOUT_MS_MAX)]


class FromClient(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="tag", forbid_unknown_fields=True
):
    """The base of what clients send; a field that the daemon does not know is refused."""


class Request(FromClient, frozen=True, kw_only=True):
    """The base of everything that gets an `Answer`."""

    request_id: RequestId
    timeout_ms: TimeoutMs = TIMEOUT_MS
    """From the daemon's receipt; then the answer is UNKNOWN (acts) or ERROR (queries)."""


class Act(Request, frozen=True, kw_only=True):
    """The base of requests that change something; read-only clients are DENIED."""
