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
from midfill_lsp.trim import brackets, lexer, texts
from midfill_lsp.trim.ends import ended

_BEFORE_CHARS, _BEHIND_CHARS = 6_000, 1_500
_CLOSERS = " \t\n)]};,"
_BEGIN_NONE = frozenset({"jsx_text", "regex", "string"})  # in them no text of several lines begins
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
        self._interpolations = grammar.language.interpolations
        self._unit = unit
        self._head = prefix[prefix.rfind("\n") + 1 :]
        rest = text[self._cursor :].partition("\n")[0]
        self._rest = rest if rest.strip() else ""
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

    def is_over(self, num_chars: int) -> bool:
        """Whether what seems to be a string or comment around the cursor is over, or never was.

        A lexer takes a backtick in a regular expression for the beginning of one, and the end of
        one for that if it never saw the beginning. So does the parser, which sees less of the
        text: where it does not know what the cursor stands in, the lexer is believed about what
        has several lines, unless its beginning stands where none can.

        Args:
            num_chars: of it before the cursor.
        """
        here, start = self.place, self._cursor - num_chars
        if self._source is None or here is None or here.inside != "code" or start < 0:
            return False
        if self._interpolations.intersection(here.kinds):
            return False
        before, behind = place(self._source, start), place(self._source, start + 1)
        text, kinds = self._source.text, {*before.kinds, *behind.kinds}
        if texts.is_triple(text, start, self._language):
            is_doubtful = texts.begins(text, start)
        else:
            has_lines = lexer.ending_of(text[start : self._cursor]) == "text"
            is_doubtful = has_lines and "ERROR" in here.kinds and kinds.isdisjoint(_BEGIN_NONE)
        if is_doubtful:
            return False
        return before.inside != "code" or "jsx_text" in kinds

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

    def holds(self, text: str, replaces_rest: bool = False) -> bool:
        """Whether the file with `text` at the cursor is sound.

        What is missing may still be written behind the rest of the line, but never before it.

        Args:
            text: the suggestion.
            replaces_rest: it takes the place of the rest of the cursor's line.
        """
        if not self.knows:
            return True
        if not text.strip(_CLOSERS):  # the brackets' rules say which of them belong here
            return True
        line = text if replaces_rest else text + self._rest
        for closed in ended(line, self._language, self._head, self._unit):
            changed = self._with(closed, len(self._rest))
            if changed is None:
                return True
            num, bounds = num_faults(changed), self._faults()
            if num <= bounds.anyhow or num < bounds.in_hole:
                return True
        return False

    def is_better(self, text: str, other: str) -> bool:
        """Whether the file has fewer faults with `text` at the cursor than with `other`.

        As many will do if there are no more than now: one fault may hide another.
        """
        ours, theirs = self._with(text, 0), self._with(other, 0)
        if ours is None or theirs is None:
            return False
        num, bound = num_faults(ours), num_faults(theirs)
        return num < bound or num == bound <= self._faults().in_hole

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
