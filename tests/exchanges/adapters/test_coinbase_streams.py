"""A recorded session of Coinbase's through our parser."""

import json

from exchanges.adapters.base import Channel, Topic
from exchanges.adapters.coinbase_streams import CoinbaseStreams
from tests.exchanges.adapters.captured import Heard, listed, needs_frames, rows_of

CHANNELS: tuple[tuple[Channel, int], ...] = (
    ("book", 10), ("trades", 0), ("ticker", 0), ("candles", 60),
)  # fmt: skip


def coinbase() -> Heard:
    header, products, *rows = rows_of("COINBASE")
    infos = {row["product_id"]: row for row in json.loads(products["data"])["products"]}
    instruments = {
        name.replace("-", "/"): listed(
            name.replace("-", "/"), name, infos[name]["price_increment"],
            infos[name]["base_increment"],
        )
        for name in header["config"]["l2_book"]
    }  # fmt: skip
    streams, heard = CoinbaseStreams(instruments), Heard()
    for symbol in instruments:
        for channel, detail in CHANNELS:
            topic = Topic(channel, symbol, detail)
            if channel == "candles":
                streams.start_candles(topic, [], [], 0)
            streams.subscription("", topic, "")
    for row in rows:
        if row["t"] == "recv":
            message = json.loads(row["data"])
            heard.take(streams.decode(message, 0), message["channel"])
    return heard


@needs_frames
def test_every_recorded_frame_is_read_or_explained() -> None:
    heard = coinbase()
    subscribed = 8
    # Each stream's snapshot is counted by cryptofeed but that of trades, 100 of each pair.
    assert heard.events["book"] == 775 + 2
    assert heard.events["ticker"] == 160 + 2
    assert heard.events["trades"] == 79 + 200 + 2
    assert subscribed == 2 * len(CHANNELS)
    assert heard.snapshots == 2 + 200
    # Its candles of five minutes we do not take: ours are made of the trades.
    assert heard.left == {"subscriptions": 5, "heartbeats": 25, "candles": 6}
    assert heard.events["candles"] > 2
