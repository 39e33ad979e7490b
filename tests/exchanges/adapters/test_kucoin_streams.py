"""A recorded session of KuCoin's through our parser."""

import json

from exchanges.adapters.base import Channel, Topic
from exchanges.adapters.kucoin_streams import SNAPSHOT, KucoinStreams
from tests.exchanges.adapters.captured import Heard, listed, needs_frames, rows_of

CHANNELS: tuple[tuple[Channel, int], ...] = (
    ("book", 60), ("trades", 0), ("ticker", 0), ("candles", 60),
)  # fmt: skip


def kucoin() -> Heard:
    header, symbols, *rows = rows_of("KUCOIN")
    # A coin was renamed; streams and snapshots have its old name.
    names = [name.replace("BSV-", "BCHSV-") for name in header["config"]["l2_book"]]
    infos = {row["symbol"]: row for row in json.loads(symbols["data"])["data"]}
    instruments = {
        name.replace("-", "/"): listed(
            name.replace("-", "/"),
            name,
            infos[name]["priceIncrement"],
            infos[name]["baseIncrement"],
        )
        for name in names
    }
    streams, heard = KucoinStreams(instruments), Heard()
    for symbol in instruments:
        for channel, detail in CHANNELS:
            streams.subscription("", Topic(channel, symbol, detail))
    for row in rows:
        if row["t"] == "http":
            name = row["url"].rpartition("=")[2]
            data = json.loads(row["data"])["data"]
            snapshot = {"type": SNAPSHOT, "topic": f"/market/level2:{name}", "data": data}
            heard.take(streams.decode({**snapshot, "is_whole": True}, 0), "snapshot")
        elif row["t"] == "recv":
            message = json.loads(row["data"])
            kind = message.get("subject", message["type"])
            heard.take(streams.decode(message, 0), kind)
    return heard


@needs_frames
def test_every_recorded_frame_is_read_or_explained() -> None:
    heard = kucoin()
    assert heard.events["ticker"] == 830
    assert heard.events["trades"] == 18
    assert heard.events["candles"] == 6
    # Of 3 853 frames 48 are older than their snapshot. cryptofeed counts nine of those, too: with
    # each it asked for the snapshot.
    assert heard.events["book"] == 3823 - 9
    assert heard.snapshots == 9
    assert heard.left == {"welcome": 1, "ack": 13, "trade.l2update": 48}
