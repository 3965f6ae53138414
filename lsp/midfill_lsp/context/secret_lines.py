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

from midfill_lsp.context.secret_below import value_below
from midfill_lsp.context.secret_forms import Span, Syntax
from midfill_lsp.context.secret_keys import key_spans
from midfill_lsp.context.secret_rules import Rules, find_spans, load
from midfill_lsp.named_values import KEYWORD_STEMS

MASK: Final = "x"
_MAX_VERDICTS = 50_000
_MAX_BLOCKS = 64  # eight pieces before and after a new choice, their names, and the document
# Some 20 lines at 50 us each, docs/log.md, 2026-11-26.
_SHORT_CHARS = 800
_MIN_LINE_CHARS = 6
# A line whose value stands below it. In code a colon alone opens a block, not a value.
_OPENS = re.compile(r"""(.*(?:=>?|["']\s*:))\s*[(\[]?\Z""")
_OPENS_IN_CONFIG = re.compile(r"(.*[=:])\s*(?:[|>][+-]?|[(\[])?\Z")
_MAX_OPENING_CHARS = 400


@dataclass(frozen=True, slots=True)
class Masked:
    """Text without its secrets, as long as before, and how many lines had any."""

    text: str
    num_secrets: int


class SecretLines:
    """Finds secrets. May be called from several threads: they only lose each other's memory."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._rules: Rules | None = None
        self._loading = threading.Lock()
        self._keeping = threading.Lock()  # around changes of the blocks
        self._verdicts: dict[bytes, tuple[Span, ...]] = {}
        # While one types, all that stands above and below the cursor's line is the same text.
        self._blocks: dict[tuple[str, Syntax, bool], tuple[Masked, bool]] = {}

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
        return self._block(text, syntax, False)[0]

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
        opening = prefix[: max(0, head_start - 1)].rpartition("\n")[2]
        spans += self._spans_below(opening, head + tail, syntax)
        # Blocks end with the line end before the next, which makes an empty line of their last.
        above, in_key = self._block(prefix[:head_start], syntax, False)
        line, in_key = self._scan(_masked(head + tail, spans), syntax, in_key)
        behind, num_opened = self._behind(head, suffix, syntax)
        below, _ = self._block(behind, syntax, in_key)
        num = above.num_secrets + max(line.num_secrets, bool(spans)) + below.num_secrets
        num += num_opened
        return above.text + line.text[: len(head)], line.text[len(head) :] + below.text, num

    def _behind(self, head: str, suffix: str, syntax: Syntax) -> tuple[str, int]:
        """Return what follows the cursor's line, without the value that this may open, if any."""
        tail, end, rest = suffix.partition("\n")
        line, line_end, more = rest.partition("\n")
        spans = self._spans_below(head + tail, line, syntax)
        return end + _masked(line, spans) + line_end + more, int(bool(spans))

    def _spans_below(self, opening: str, line: str, syntax: Syntax) -> tuple[Span, ...]:
        """Return where a line's secrets stand if the line above opens a value."""
        opening = opening.rstrip()[-_MAX_OPENING_CHARS:]
        lowered = opening.lower()
        if not any(stem in lowered for stem in KEYWORD_STEMS):
            return ()
        opened = (_OPENS if syntax is Syntax.CODE else _OPENS_IN_CONFIG).match(opening)
        value = line.lstrip()
        if opened is None or not value or value.startswith(('"""', "'''")):
            return ()
        if syntax is not Syntax.CODE and opening.endswith((":", "=")):
            value = value_below(opening, line)
            if not value:
                return ()
        head = f"{opened[1]} "
        shift = len(line) - len(value) - len(head)
        found = self.spans(head + value, syntax)
        return tuple((start + shift, end + shift) for start, end in found if start >= len(head))

    def knows_around(self, prefix: str, suffix: str, syntax: Syntax = Syntax.CODE) -> bool:
        """Whether `mask_around` has little to look at: the cursor's line, or a short text."""
        if self._rules is None:
            return False
        if len(prefix) + len(suffix) <= _SHORT_CHARS:
            return True
        above, below = prefix[: prefix.rfind("\n") + 1], suffix[len(suffix.partition("\n")[0]) :]
        known = self._blocks.get((above, syntax, False))
        return known is not None and any(
            (below, syntax, in_key) in self._blocks for in_key in (False, True)
        )

    def _block(self, text: str, syntax: Syntax, in_key: bool) -> tuple[Masked, bool]:
        """Return what `_scan` does, from memory if the text was scanned lately."""
        key = (text, syntax, in_key)
        with self._keeping:
            found = self._blocks.pop(key, None)
        if found is None:
            found = self._scan(text, syntax, in_key)
        with self._keeping:
            self._blocks[key] = found  # the latest is the last
            while len(self._blocks) > _MAX_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        return found

    def _scan(self, text: str, syntax: Syntax, in_key: bool) -> tuple[Masked, bool]:
        """Return a text without its secrets, and whether a key goes on behind it."""
        lines = text.split("\n")
        keys, ends_in_key = key_spans(lines, in_key)
        num = 0
        for idx, line in enumerate(lines):
            spans = (*self.spans(line, syntax), *keys.get(idx, ()))
            if idx:
                spans += self._spans_below(lines[idx - 1], line, syntax)
            if spans:
                lines[idx] = _masked(line, spans)
                num += 1
        return Masked("\n".join(lines) if num else text, num), ends_in_key


def _masked(line: str, spans: Iterable[Span]) -> str:
    for start, end in spans:
        line = line[:start] + MASK * (min(end, len(line)) - start) + line[end:]
    return line
