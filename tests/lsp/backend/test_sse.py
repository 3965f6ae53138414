"""The event stream parser, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_lsp.backend.sse import EventParser

STREAMS: dict[str, tuple[bytes, list[str]]] = {
    "one": (b"data: a\n\n", ["a"]),
    "no space": (b"data:a\n\n", ["a"]),
    "one space goes": (b"data:  a \n\n", [" a "]),
    "two lines": (b"data: a\ndata: b\n\n", ["a\nb"]),
    "empty data": (b"data\n\ndata:\n\n", ["", ""]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    "cr": (b"data: a\r\rdata: b\r\r", ["a", "b"]),
    "comments": (b": hello\n\n:\ndata: a\n: more\n\n", ["a"]),
    "other fields": (b"event: x\nid: 1\nretry: 9\nnonsense\ndata: a\n\n", ["a"]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    "emoji": ("data: 🙂é\n\n".encode(), ["🙂é"]),
    "unicode line ends are text": ("data: a\u2028b\x0cc\x85\n\n".encode(), ["a\u2028b\x0cc\x85"]),
    "unfinished": (b"data: a\n", []),
}


@pytest.mark.parametrize("name", STREAMS)
def test_whole(name: str) -> None:
    stream, events = STREAMS[name]
    assert EventParser().feed(stream) == events


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte(name: str) -> None:
    stream, events = STREAMS[name]
    parser = EventParser()
    assert [data for byte in stream for data in parser.feed(bytes([byte]))] == events


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)


@given(texts=st.lists(LINES, max_size=5), data=st.data())
def test_cut_anywhere(texts: list[str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stream = "".join(f"data: {text}{end}{end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    parser = EventParser()
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [event for piece in pieces for event in parser.feed(piece)] == texts


def test_broken_utf8_is_an_error() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        EventParser().feed(b"data: \xff\n\n")


@pytest.mark.parametrize("stream", [b"x" * 1_100_000, (b"data: " + b"x" * 999 + b"\n") * 1_100])
def test_endless_event_is_an_error(stream: bytes) -> None:
    with pytest.raises(ValueError, match="over 1000000"):
        EventParser().feed(stream)
