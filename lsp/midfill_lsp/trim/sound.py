"""Whether text would parse where the file does. Pure; called by `gate` and `definition`.

The file around the cursor is often broken already, and a suggestion that ends in the middle of
something breaks it too. So text counts as sound if the file has fewer faults with it, or no more
than without the cursor's line, once what it leaves open is closed (`ends`).
"""

from __future__ import annotations

from dataclasses import dataclass

from midfill_lsp.syntax import (
    Grammar,
    Place,
    Source,
    definitions,
    num_faults,
    parse,
    place,
    replaced,
    window,
)
from midfill_lsp.trim import brackets
from midfill_lsp.trim.ends import ended

_BEFORE_CHARS, _BEHIND_CHARS = 6_000, 1_500
_CLOSERS = " \t\n)]};,"
_MAX_FAULTS = 4  # more of them: the grammar does not know this text, such as C++ named C


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Faults of the file as it is, and without the cursor's line.

    Those of the line itself are what the suggestion is there to mend.
    """

    in_hole: int
    anyhow: int


class Soundness:
    """Judges texts for one cursor."""

    def __init__(self, grammar: Grammar, prefix: str, suffix: str, unit: str) -> None:
        """Parse the surroundings.

        Args:
            grammar: of the document's language.
            prefix: text before the cursor.
            suffix: text behind it.
            unit: one level of indentation.
        """
        start, end = window(prefix + suffix, len(prefix), _BEFORE_CHARS, _BEHIND_CHARS)
        text = (prefix + suffix)[start:end]
        self._cursor = len(prefix) - start
        self._language = grammar.language.name
        self._unit = unit
        self._head = prefix[prefix.rfind("\n") + 1 :]
        self._rest, _, _ = suffix.partition("\n")
        self._source = parse(grammar, text)
        self._bounds: _Bounds | None = None

    @property
    def place(self) -> Place | None:
        """Where the cursor stands; None where the surroundings could not be parsed in time."""
        return None if self._source is None else place(self._source, self._cursor)

    @property
    def knows(self) -> bool:
        """Whether the surroundings were parsed, and are in the grammar's language."""
        return self._source is not None and self._faults().anyhow <= _MAX_FAULTS

    def holds_definition(self, text: str) -> bool:
        """Whether `text` holds all of a function, class or type that has a body."""
        changed = self._with(text, 0)
        if changed is None:
            return False
        line_start = changed.text.rfind("\n", 0, self._cursor) + 1
        end = self._cursor + len(text)
        return any(
            line_start <= one.start
            and self._cursor < one.end <= end
            and one.body_start is not None
            and one.kind in ("function", "class", "type", "module")
            for one in definitions(changed)
        )

    def holds(self, text: str, rest_len: int = 0) -> bool:
        """Whether the file with `text` in the place of the next `rest_len` characters is sound."""
        if not self.knows:
            return True
        if not text.strip(_CLOSERS):  # the brackets' rules say which of them belong here
            return True
        for closed in ended(text, self._language, self._head, self._unit):
            changed = self._with(closed, rest_len)
            if changed is None:
                return True
            num, bounds = num_faults(changed), self._faults()
            if num <= bounds.anyhow or num < bounds.in_hole:
                return True
        return False

    def _faults(self) -> _Bounds:
        """Return how many faults there are; counted when the first text is judged."""
        if self._bounds is None:
            assert self._source is not None
            self._bounds = self._counted(self._source)
        return self._bounds

    def _counted(self, source: Source) -> _Bounds:
        start = source.text.rfind("\n", 0, self._cursor) + 1
        end = source.text.find("\n", self._cursor)
        lineless = replaced(source, start, len(source.text) if end < 0 else end, "")
        in_hole = num_faults(source)
        anyhow = in_hole if lineless is None else num_faults(lineless)
        if brackets.unmatched(self._rest, self._language)[0]:  # nobody may have closed it yet
            anyhow = max(anyhow, in_hole)
        return _Bounds(in_hole, anyhow)

    def _with(self, text: str, rest_len: int) -> Source | None:
        if self._source is None:
            return None
        return replaced(self._source, self._cursor, self._cursor + rest_len, text)
