"""Thousands of random edits through the live server, against a document kept in another way.

The oracle knows the specification and nothing of ours: it keeps one string, cuts lines with a
regular expression, and turns a position into an offset by encoding the line and cutting the code
units. Both are compared after every notification, and what the backend is asked every few.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

import pytest

from midfill_lsp.document import Encoding
from tests.fakes import FakeBackend
from tests.lsp.in_process import InProcess

URI = "file:///x.txt"
NUM_STEPS = 850  # of each of twelve runs: 10,200 in all
PIECES = [
    *("a", "bc", "def f(x):", " ", "\t", "(", ")", '"', "\ufeff", "\x00", "\x85", "\x1c", "\x0b"),
    *("\n", "\n", "\r\n", "\r\n", "\r", "\n\r", "\n\n", "\u2028", "\u2029", "\x0c", "\x0c\n"),
    *("é", "ß", "漢字", "😀", "👩‍👩‍👧", "🇩🇪", "e\u0301", "\U0010ffff", "\uffff"),
]
HALVES = ["\ud83d", "\ude00", "\ude00\ud83d"]
"""Half characters, which a UTF-16 editor can cut out of a pair; UTF-8 cannot carry them."""
_LINE = re.compile(r"[^\r\n]*")
_UNIT_BYTES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
_CODEC = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


@dataclass
class Oracle:
    """A document as one string."""

    text: str
    encoding: Encoding

    def offset(self, line: int, character: int) -> int:
        """Return the code points before a position."""
        at = 0
        for _ in range(line):
            end = re.compile(r"\r\n|\r|\n").search(self.text, at)
            if end is None:
                return len(self.text)
            at = end.end()
        found = _LINE.match(self.text, at)
        assert found is not None
        num_bytes = character * _UNIT_BYTES[self.encoding]
        return at + self._num_whole(found[0], num_bytes)

    def splice(self, start: int, end: int, fresh: str) -> None:
        """Replace what lies between two offsets."""
        self.text = self.text[:start] + fresh + self.text[end:]
        if self.encoding == "utf-16":  # halves of a pair that meet are one character
            units = self.text.encode("utf-16-le", "surrogatepass")
            self.text = units.decode("utf-16-le", "surrogatepass")

    def num_lines(self) -> int:
        """Return the number of lines."""
        return len(re.findall(r"\r\n|\r|\n", self.text)) + 1

    def _num_whole(self, line: str, num_bytes: int) -> int:
        """Return how many characters end within so many bytes."""
        codec, whole = _CODEC[self.encoding], 0
        for char in line:
            num_bytes -= len(char.encode(codec, "surrogatepass"))
            if num_bytes < 0:
                break
            whole += 1
        return whole


def random_text(rng: random.Random, encoding: Encoding, most: int) -> str:
    pieces = PIECES + (HALVES if encoding == "utf-16" else [])
    return "".join(rng.choices(pieces, k=rng.randrange(most)))


def random_place(rng: random.Random, oracle: Oracle) -> dict[str, int]:
    """A position in the document, seldom past a line's end or the last line."""
    line = rng.randrange(oracle.num_lines() + (rng.random() < 0.1))
    return {"line": line, "character": rng.choice([0, 1, 2, 3, 5, 8, 13, 40, 2**31 - 1])}


def random_change(rng: random.Random, oracle: Oracle) -> dict[str, Any]:
    """One change, made in the oracle too."""
    if rng.random() < 0.01 or len(oracle.text) > 3000:
        oracle.splice(0, len(oracle.text), random_text(rng, oracle.encoding, 40))
        return {"text": oracle.text}
    places = [random_place(rng, oracle) for _ in range(2)]
    if rng.random() < 0.5:
        places[1] = places[0]
    places.sort(key=lambda place: oracle.offset(place["line"], place["character"]))
    fresh = random_text(rng, oracle.encoding, 6)
    if rng.random() < 0.02:
        fresh += "long line\n" * 300
    start, end = (oracle.offset(place["line"], place["character"]) for place in places)
    oracle.splice(start, end, fresh)
    return {"range": {"start": places[0], "end": places[1]}, "text": fresh}


def plain(text: str) -> str:
    """What the backend gets of a text."""
    text = re.sub(r"\r\n?", "\n", text)
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("seed", range(4))
async def test_the_server_has_what_the_editor_has(encoding: Encoding, seed: int) -> None:
    rng = random.Random(f"{encoding}/{seed}")
    backend = FakeBackend()  # answers nothing, so that nothing comes out of the cache
    editor = InProcess(backend)
    await editor.initialize(encoding)
    oracle = Oracle("", encoding)
    oracle.splice(0, 0, random_text(rng, encoding, 60))
    editor.open(URI, oracle.text)
    for version in range(2, 2 + NUM_STEPS):
        changes = [random_change(rng, oracle) for _ in range(rng.choice([1, 1, 1, 2, 5]))]
        editor.change(URI, version, *changes)
        snapshot = editor.window.documents[URI]
        snapshot.lines.check_integrity()
        assert (snapshot.text, snapshot.version) == (oracle.text, version)
        if version % 17 == 0:
            await check_what_is_sent(editor, backend, oracle, random_place(rng, oracle))
    await editor.shut_down()


async def check_what_is_sent(
    editor: InProcess, backend: FakeBackend, oracle: Oracle, place: dict[str, int]
) -> None:
    num_asked = len(backend.requests)
    assert await editor.complete(URI, **place) == []
    asked = backend.requests[num_asked]
    offset = oracle.offset(**place)
    assert asked.prefix == plain(oracle.text[:offset])
    # Closers behind the cursor may be held back from the prompt, see `midfill_lsp.prompt`.
    assert asked.suffix in plain(oracle.text[offset:])


async def test_a_document_of_5_megabytes() -> None:
    rng = random.Random(5)
    backend = FakeBackend()
    editor = InProcess(backend)
    await editor.initialize()
    line = "    value = compute(first_argument, second)  # 😀\n"
    lines = [line] * (5_000_000 // len(line))
    editor.open(URI, "".join(lines))
    for version in range(2, 202):
        at = rng.randrange(len(lines))
        place = {"line": at, "character": 4}
        word = rng.choice(["value", "VALUE", "\u2028" * 5])
        editor.change(
            URI,
            version,
            {"range": {"start": place, "end": {**place, "character": 9}}, "text": word},
        )
        lines[at] = lines[at][:4] + word + lines[at][9:]
        if version % 50 == 0:
            assert await editor.complete(URI, at, 9) == []
            asked = backend.requests[-1]
            assert asked.prefix.endswith(line + "    " + word)
            assert len(asked.prefix) <= 12_000
            assert len(asked.suffix) <= 4_000
    assert editor.window.documents[URI].text == "".join(lines)
    await editor.shut_down()
