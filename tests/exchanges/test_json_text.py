from hypothesis import given
from hypothesis import strategies as st

from exchanges.json_text import decode_json


def test_json_numbers_keep_their_texts() -> None:
    assert decode_json('{"a":0.10000000,"b":1e-8,"c":5,"d":[-0.0,true,null]}') == {
        "a": "0.10000000",
        "b": "1e-8",
        "c": 5,
        "d": ["-0.0", True, None],
    }


@given(st.text())
def test_json_decoder_raises_value_errors_only(text: str) -> None:
    try:
        decode_json(text)
    except ValueError:
        return
