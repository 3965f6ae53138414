"""Secrets in lines of text: where they stand, and the text without them.

A secret's characters are replaced one for one, so that the rest of the line stands where it stood.
A value may stand on the line below its name. Loading the rules takes half a second: `load` them in
a thread. A verdict is kept by the line's hash, and of whole texts only the few latest. Called by
`gate`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from midfill_lsp.context.secret_below import Candidate, Opening, Place, beside, follow
from midfill_lsp.context.secret_forms import Span, Syntax
from midfill_lsp.context.secret_keys import key_spans
from midfill_lsp.context.secret_rules import Rules, find_spans, load

MASK: Final = "x"
_MAX_VERDICTS = 50_000
_MAX_BLOCKS = 64  # eight pieces before and after a new choice, their names, and the document
# Some 20 lines at 50 us each, docs/log.md, 2026-11-26.
_SHORT_CHARS = 800
_MIN_LINE_CHARS = 6
_MAX_OPENED_LINES = 1_000  # below a name that is being typed: 20 ms
# A line with none of these is still being typed.
_NAMES_OR_ENDS = re.compile(r"[:=\[\]{}#]|```|~~~|\A\s*\Z")


@dataclass(frozen=True, slots=True)
class Masked:
    """Text without its secrets, as long as before, and how many lines had any."""

    text: str
    num_secrets: int


@dataclass(frozen=True, slots=True)
class _State:
    """What the lines above leave open: a key over several lines, or a name without its value."""

    in_key: bool = False
    opening: Opening | None = None


_NOTHING_OPEN: Final = _State()


class SecretLines:
    """Finds secrets. May be called from several threads: they only lose each other's memory."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._rules: Rules | None = None
        self._loading = threading.Lock()
        self._keeping = threading.Lock()  # around changes of the blocks
        self._verdicts: dict[bytes, tuple[Span, ...]] = {}
        # While one types, all that stands above and below the cursor's line is the same text.
        self._blocks: dict[tuple[str, Syntax, _State], tuple[Masked, _State]] = {}

    def load(self) -> None:
        """Import the rules.

        Raises:
            ImportError: detect-secrets is not installed as it should be.
        """
        with self._loading:  # two at once see half of the plugins
            if self._rules is None:
                self._rules = load()

    def spans(self, line: str, syntax: Syntax = Syntax.CODE) -> tuple[Span, ...]:
        """Return where a line's secrets stand, those of keys over several lines left out.

        Args:
            line: without its end.
            syntax: how it writes values.
        """
        if len(line) < _MIN_LINE_CHARS:
            return ()
        data = line.encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(data, digest_size=12, person=bytes((syntax,))).digest()
        found = self._verdicts.get(key)
        if found is None:
            self.load()
            assert self._rules is not None
            found = find_spans(self._rules, line, syntax)
            if len(self._verdicts) >= _MAX_VERDICTS:
                self._verdicts.clear()
            self._verdicts[key] = found
        return found

    def mask(self, text: str, syntax: Syntax = Syntax.CODE) -> Masked:
        """Return a text of lines, ended by LF, without its secrets."""
        return self._block(text, syntax, _NOTHING_OPEN)[0]

    def mask_around(
        self, prefix: str, suffix: str, syntax: Syntax = Syntax.CODE
    ) -> tuple[str, str, int]:
        """Return the text around a cursor without its secrets, and how many lines had any.

        The cursor's line is judged whole, and also as if a quote that is open before the cursor
        were closed there: a secret is one while it is typed.
        """
        head_start = prefix.rfind("\n") + 1
        head, tail = prefix[head_start:], suffix.partition("\n")[0]
        spans = [
            span
            for quote in "\"'`"
            if head.count(quote) % 2
            for span in self.spans(head + quote, syntax)
        ]
        above, before = self._block(prefix[:head_start], syntax, _NOTHING_OPEN)
        line, state = self._scan(head + tail, syntax, before)
        masked = _masked(line.text, spans)
        end, rest = suffix[len(tail) :][:1], suffix[len(tail) + 1 :]
        opening = state.opening
        if opening is None and not _NAMES_OR_ENDS.search(head + tail):
            opening = before.opening  # a line that is being typed closes nothing yet
        below = self._below(rest, syntax, state.in_key, opening)
        num = above.num_secrets + max(line.num_secrets, bool(spans)) + below.num_secrets
        return above.text + masked[: len(head)], masked[len(head) :] + end + below.text, num

    def knows_around(self, prefix: str, suffix: str, syntax: Syntax = Syntax.CODE) -> bool:
        """Whether `mask_around` has little to look at: the cursor's line, or a short text."""
        if self._rules is None:
            return False
        if len(prefix) + len(suffix) <= _SHORT_CHARS:
            return True
        above = (prefix[: prefix.rfind("\n") + 1], syntax, _NOTHING_OPEN)
        below = suffix[len(suffix.partition("\n")[0]) + 1 :]
        with self._keeping:
            return above in self._blocks and any(
                text == below and kind is syntax for text, kind, _ in self._blocks
            )

    def _below(self, text: str, syntax: Syntax, in_key: bool, opening: Opening | None) -> Masked:
        """Return what stands below a line that leaves `opening`, without its secrets."""
        if opening is None:
            return self._block(text, syntax, _State(in_key))[0]
        if opening.place is Place.FURTHER:  # of a line above, so that it is so at the next key too
            return self._block(text, syntax, _State(in_key, opening))[0]
        return self._opened(text, syntax, in_key, opening)

    def _opened(self, text: str, syntax: Syntax, in_key: bool, opening: Opening) -> Masked:
        """Return the same, judged anew only down to where nothing hangs on the opening any more."""
        calm = _State(in_key)
        known, _ = self._block(text, syntax, calm)
        left: Opening | None = opening
        other: Opening | None = None
        lines, num_lines = text.split("\n"), 0
        while left != other and num_lines < min(len(lines), _MAX_OPENED_LINES):
            _, left = follow(left, lines[num_lines], syntax)
            _, other = follow(other, lines[num_lines], syntax)
            num_lines += 1
        head = ("\n".join(lines[:num_lines]) + "\n")[: len(text)]
        found, _ = self._scan(head, syntax, _State(in_key, opening))
        without, _ = self._scan(head, syntax, calm)
        num = known.num_secrets + found.num_secrets - without.num_secrets
        return Masked(found.text + known.text[len(head) :], num)

    def _block(self, text: str, syntax: Syntax, state: _State) -> tuple[Masked, _State]:
        """Return what `_scan` does, from memory if the text was scanned lately."""
        key = (text, syntax, state)
        with self._keeping:
            found = self._blocks.pop(key, None)
        if found is None:
            found = self._scan(text, syntax, state)
        with self._keeping:
            self._blocks[key] = found  # the latest is the last
            while len(self._blocks) > _MAX_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        return found

    def _scan(self, text: str, syntax: Syntax, state: _State) -> tuple[Masked, _State]:
        """Return a text without its secrets, and what is open behind it.

        An empty last line of several is none: there the text was cut.
        """
        lines = text.split("\n")
        keys, in_key = key_spans(lines, state.in_key)
        opening = state.opening
        num = 0
        for idx, line in enumerate(lines):
            if idx and not line and idx == len(lines) - 1:
                break
            below, opening = follow(opening, line, syntax)
            spans = [*self.spans(line, syntax), *keys.get(idx, ())]
            for candidate in (*below, *beside(line, syntax)):
                spans += self._judged(candidate, line, syntax)
            if spans:
                lines[idx] = _masked(line, spans)
                num += 1
        return Masked("\n".join(lines) if num else text, num), _State(in_key, opening)

    def _judged(self, candidate: Candidate, line: str, syntax: Syntax) -> Iterable[Span]:
        """Yield where secrets stand in what may be one."""
        head = candidate.head
        shift = candidate.start - len(head)
        for start, end in self.spans(head + line[candidate.start : candidate.end], syntax):
            if start >= len(head):
                yield start + shift, end + shift


def _masked(line: str, spans: Iterable[Span]) -> str:
    for start, end in spans:
        line = line[:start] + MASK * (min(end, len(line)) - start) + line[end:]
    return line
