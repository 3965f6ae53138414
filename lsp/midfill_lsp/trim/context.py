"""What the text around the cursor asks of a suggestion; computed once per request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from midfill_lsp.syntax import Grammar
from midfill_lsp.trim import brackets, indent, lexer, opener, texts
from midfill_lsp.trim import mode as modes
from midfill_lsp.trim.mode import Mode
from midfill_lsp.trim.sound import Soundness

_LINES_LOOKED_AT = 300
_MAY_INDENT = re.compile(r"(?:[:)]|\belse)\s*\Z")
_TAKES_DOCSTRING = re.compile(r"[ \t]*(?:async[ \t]+)?(?:def|class)\b.*:[ \t]*\Z")
_MARKUP = frozenset({"html", "xml", "vue", "svelte"})
_NO_BRACKETS = lexer.PROSE | {"yaml", "yaml.docker-compose", "html", "xml"}


@dataclass(frozen=True, slots=True)
class TrimContext:
    """The cursor's surroundings.

    Attributes:
        mode: one line, or a block.
        language_id: as the editor names it.
        head: text of the cursor's line before the cursor.
        rest: text of the cursor's line behind the cursor; "" if only blanks.
        line_above: the next line of the prefix that is not blank, None if there is none.
        line_below: the next line of the suffix that is not blank, None if there is none.
        prefix: the text before the cursor.
        suffix: the text behind it.
        level: width of the cursor line's indentation; a block may not go left of it.
        above_level: the nearest line above that is indented less than the cursor's line, None if
            there is none: it opened the block.
        opens: the line before the cursor opened the block, so its own level ends it.
        in_text: the cursor stands in a string or a comment.
        begun: what tells where that string or comment ends (`lexer.opener_of`), if the document
            ends it behind the cursor; else "".
        text_opener: what begins the docstring or comment whose first line may come on the next
            one, and then stands here (`texts.first_line_opener`); else "".
        allowed: what a suggestion may close, innermost first (`brackets.allowed_closers`);
            None where brackets mean nothing.
        allowed_without_rest: the same, were the rest of the cursor's line replaced.
        indent_style: tabs or spaces, as the document has them.
        max_blanks: columns of blanks that a suggestion may begin with, None for any number: none
            behind a blank, on a blank line what is missing to the line's level.
        docstring_indent: where a docstring would begin on the next line; None if it may not.
        soundness: judges whether text would parse here; None where that is not known.
        min_confidence: how likely the tokens of a line must be on the (geometric) average.
    """

    mode: Mode
    language_id: str
    head: str
    rest: str
    line_above: str | None
    line_below: str | None
    prefix: str
    suffix: str
    level: int
    above_level: str | None
    opens: bool
    in_text: bool
    begun: str
    text_opener: str
    allowed: tuple[str | None, ...] | None
    allowed_without_rest: tuple[str | None, ...] | None
    indent_style: indent.Style
    max_blanks: int | None
    docstring_indent: str | None
    soundness: Soundness | None = None
    min_confidence: float = 0.0

    @property
    def is_markup(self) -> bool:
        """Whether the language has tags and nothing that looks like them."""
        return self.language_id in _MARKUP


def describe(
    prefix: str,
    suffix: str,
    language_id: str,
    mode: Literal["auto", "line", "block"] = "auto",
    grammar: Grammar | None = None,
    min_confidence: float = 0.0,
) -> TrimContext:
    """Return the context of a cursor.

    Args:
        prefix: text before it, with LF line ends.
        suffix: text behind it.
        language_id: as the editor names it.
        mode: one line or a block, or as the surroundings ask.
        grammar: the language's; without one indentation and brackets have to do.
        min_confidence: see `TrimContext`.
    """
    head = prefix[prefix.rfind("\n") + 1 :]
    above = prefix[: len(prefix) - len(head)].rstrip()
    line_above = above[above.rfind("\n") + 1 :] or None
    rest, _, below = suffix.partition("\n")
    rest = rest if rest.strip() else ""
    opens = modes.opens_block(head, language_id)
    token = lexer.last_token(prefix, language_id)
    style = indent.detect(prefix, suffix, language_id)
    line_below = next((line for line in below.split("\n") if line.strip()), None)
    soundness = Soundness(grammar, prefix, suffix, style.step) if grammar else None
    place = soundness.place if soundness else None
    # A lexer that was misled knows nothing of what follows, brackets included.
    is_misled = bool(token and soundness and soundness.is_over(len(token)))
    ending = "code" if is_misled else lexer.ending_of(token)
    counts = language_id not in _NO_BRACKETS and ending != "text" and not is_misled
    in_text = ending != "code" or (place is not None and place.inside != "code")
    around = modes.Around(head, rest, line_above, line_below, in_text)
    allowed, without_rest = (
        _allowed(prefix, suffix, language_id, bool(rest)) if counts else (None, None)
    )
    return TrimContext(
        mode=modes.decide(around, language_id) if mode == "auto" or rest else mode,
        language_id=language_id,
        head=head,
        rest=rest,
        line_above=line_above,
        line_below=line_below,
        prefix=prefix,
        suffix=suffix,
        level=indent.width(head),
        above_level=_above_level(above, indent.width(head)),
        opens=opens,
        in_text=in_text,
        begun=_begun(token, suffix, language_id) if ending != "code" else "",
        text_opener=texts.first_line_opener(token, prefix, language_id) if ending == "text" else "",
        allowed=allowed,
        allowed_without_rest=without_rest,
        indent_style=style,
        max_blanks=_max_blanks(line_above or "", head, language_id, style),
        docstring_indent=_docstring_indent(head, language_id, style),
        soundness=soundness,
        min_confidence=min_confidence,
    )


def indent_below(line: str, lines: Sequence[str], language_id: str) -> str:
    """Return the blanks that an editor puts on a new line below a line that ends here.

    Args:
        line: without its end.
        lines: the document's, which say how it indents.
        language_id: as the editor names it.
    """
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    if not modes.opens_block(line, language_id):
        return blanks
    return blanks + indent.detect("".join(lines[:_LINES_LOOKED_AT]), "", language_id).step


def _allowed(
    prefix: str, suffix: str, language_id: str, has_rest: bool
) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
    """Return what may be closed: with the rest of the cursor's line, and without it."""
    allowed = brackets.allowed_closers(prefix, suffix, language_id)
    if not has_rest:
        return allowed, allowed
    _, _, below = suffix.partition("\n")
    return allowed, brackets.allowed_closers(prefix, "\n" + below, language_id)


def _begun(token: str, suffix: str, language_id: str) -> str:
    has_lines = lexer.ending_of(token) == "text"
    if language_id in _NO_BRACKETS and (has_lines or token.startswith("'")):
        return ""  # an apostrophe, as likely as not
    if language_id == "shellscript" and token.rfind("$(") > token.rfind(")"):
        return ""  # in a command, which has quotes of its own
    return lexer.opener_of(token) if texts.is_ended(token, suffix, language_id) else ""


def _above_level(above: str, level: int) -> str | None:
    lines = above.split("\n")[-_LINES_LOOKED_AT:] if level else []
    return next((one for one in reversed(lines) if one.strip() and indent.width(one) < level), None)


def _max_blanks(line_above: str, head: str, language_id: str, style: indent.Style) -> int | None:
    if not head[-1:].isspace():
        return None
    if head.strip():
        return 0
    step = style.unit if _may_indent(line_above, language_id) else 0
    level = indent.width(line_above) + step
    return max(0, level - indent.width(head))


def _may_indent(line_above: str, language_id: str) -> bool:
    """Whether the line below may be indented more; `case 1:` and `if (x)` open no block here."""
    opens = modes.opens_block(line_above, language_id)
    if language_id in opener.COLON_LANGUAGES:
        return opens
    return opens or bool(_MAY_INDENT.search(line_above))


def _docstring_indent(head: str, language_id: str, style: indent.Style) -> str | None:
    if language_id != "python" or not _TAKES_DOCSTRING.match(head):
        return None
    return indent.adapt(" " * (indent.width(head) + style.unit), style)
