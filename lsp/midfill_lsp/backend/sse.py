"""Server-sent events from bytes, incrementally. Pure. Called by `http`.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream". Only the data of an event is
returned; comments, names, ids and retry times are read over, as no engine uses them. Stricter
than the standard in one point: broken UTF-8 is an error, not U+FFFD, because the text would
end up in somebody's source code.
"""

from __future__ import annotations

import codecs

_MAX_EVENT_CHARS = 1_000_000


class EventParser:
    """Turns chunks, cut anywhere, into the data of events."""

    def __init__(self) -> None:
        """Start before the first byte."""
        # utf-8-sig: one byte order mark at the start is not part of the stream.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="strict")
        self._line = ""  # the line that has not ended yet
        self._data: list[str] = []
        self._data_len = 0
        self._ended_with_cr = False

    def feed(self, chunk: bytes) -> list[str]:
        """Return the data of every event that ends within `chunk`.

        Raises:
            ValueError: the bytes are not UTF-8 (UnicodeDecodeError), or an event is too large.
        """
        text = self._decoder.decode(chunk)
        if self._ended_with_cr and text:
            self._ended_with_cr = False
            text = text.removeprefix("\n")  # the other half of a CRLF that was cut in two
        events: list[str] = []
        for line in self._take_lines(text):
            if line:
                self._take_field(line)
            elif self._data:
                events.append("\n".join(self._data))
                self._data = []
                self._data_len = 0
        if len(self._line) + self._data_len > _MAX_EVENT_CHARS:
            raise ValueError(f"an event of over {_MAX_EVENT_CHARS} characters")
        return events

    def _take_lines(self, text: str) -> list[str]:
        if text.endswith("\r"):
            self._ended_with_cr = True
        normal = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *rest = normal.split("\n")
        lines = [self._line + first, *rest]
        self._line = lines.pop()
        return lines

    def _take_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
            self._data_len += len(value)
