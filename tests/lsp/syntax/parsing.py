"""What the syntax tests share: a text with its cursor, parsed."""

from __future__ import annotations

from midfill_lsp import syntax

GRAMMARS = syntax.Grammars()


def parsed(language_id: str, text: str) -> syntax.Source:
    grammar = GRAMMARS.load(language_id)
    assert grammar is not None
    source = syntax.parse(grammar, text)
    assert source is not None
    return source


def at_cursor(language_id: str, text: str) -> syntax.Place:
    offset = text.index("█")
    return syntax.place(parsed(language_id, text.replace("█", "")), offset)
