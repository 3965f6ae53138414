"""Syntax nodes as middles: an argument list, an expression, a body, a whole function.

Whole nodes are what a programmer is about to type when brackets are closed by the editor; Gong et
al. 2025 (arXiv 2506.00204) train infill on them. Parses with tree-sitter; a language without a
grammar here has no nodes. Called by ``training.spans``.
"""

from __future__ import annotations

import random
from functools import cache

import tree_sitter
import tree_sitter_bash
import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_typescript

WINDOW_CHARS = 6_000
"""Longer texts are parsed in a window that starts at a line, so that a draw stays in milliseconds;
a torn beginning costs some wrong nodes there."""
MIN_CHARS = 3
MAX_CHARS = 600
NUM_TRIES = 12


@cache
def parser(language: str) -> tree_sitter.Parser | None:
    """Returns the parser of ``language``, or None where there is none."""
    grammars = {
        "bash": tree_sitter_bash.language,
        "shell": tree_sitter_bash.language,
        "c": tree_sitter_c.language,
        "cpp": tree_sitter_cpp.language,
        "javascript": tree_sitter_javascript.language,
        "python": tree_sitter_python.language,
        "typescript": tree_sitter_typescript.language_tsx,
    }
    grammar = grammars.get(language)
    return tree_sitter.Parser(tree_sitter.Language(grammar())) if grammar else None


def node_span(text: str, language: str, rng: random.Random) -> tuple[int, int] | None:
    """Returns a random named node's code points ``[start, end)``, None where none was found.

    Half of the spans begin at a random character inside the node: it was half typed.
    """
    known = parser(language)
    if known is None:
        return None
    base = 0
    if len(text) > WINDOW_CHARS:
        base = text.rfind("\n", 0, rng.randrange(len(text) - WINDOW_CHARS // 2)) + 1
    window = text[base : base + WINDOW_CHARS]
    encoded = window.encode()
    root = known.parse(encoded).root_node
    for _ in range(NUM_TRIES):
        node = root.descendant_for_byte_range(*[rng.randrange(len(encoded))] * 2)
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))):
            node = node.parent if node is not None else None
        if node is None or not node.is_named or node.has_error:
            continue
        start = len(encoded[: node.start_byte].decode(errors="ignore"))
        end = len(encoded[: node.end_byte].decode(errors="ignore"))
        if MIN_CHARS <= end - start <= MAX_CHARS:
            cut = start if rng.random() < 0.5 else rng.randrange(start, end)
            return base + cut, base + end
    return None
