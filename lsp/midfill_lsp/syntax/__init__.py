"""Parsed text: faults, places, definitions and imports, by tree-sitter. Pure.

    languages   what the grammars call things: a table
    grammar     grammars, loaded when a language is first met
    source      a parsed text, and changes to it; offsets are code points
    nodes       faults, and what stands around an offset
    outline     the names that a file defines, with their signatures
    imports     what a file imports

`trim` and `context` call. A language without a grammar here has no `Grammar`, and whoever asks
goes by indentation and brackets instead.
"""

from __future__ import annotations

from midfill_lsp.syntax.grammar import Grammar, Grammars
from midfill_lsp.syntax.imports import Import, imports
from midfill_lsp.syntax.nodes import Fault, Place, faults, num_faults, place
from midfill_lsp.syntax.outline import Definition, definitions
from midfill_lsp.syntax.source import MAX_CHARS, Source, parse, replaced, window

__all__ = [
    "MAX_CHARS",
    "Definition",
    "Fault",
    "Grammar",
    "Grammars",
    "Import",
    "Place",
    "Source",
    "definitions",
    "faults",
    "imports",
    "num_faults",
    "parse",
    "place",
    "replaced",
    "window",
]
