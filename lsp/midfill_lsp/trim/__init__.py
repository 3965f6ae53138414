"""Where a suggestion ends, decided while it is being written. Pure: text in, text out.

    context     what the cursor's surroundings ask for: brackets, indentation, the lines below
    mode        line or block; opener: lines that begin one
    trimmer     feeds deltas through the rules; what was shown is only ever extended
    start       the blanks that a suggestion begins with
    sentinel    control tokens that leaked into the text
    lexer       strings, comments and brackets, roughly
    brackets    closers that the document has already; shell: those of `case`
    closing     where text ends what the document ends; markup: the same of tags
    whole       what text leaves open before other text is closed
    block       the end of a block, from indentation and braces
    clause      what goes on with the statement whose block ends
    definition  the end of a definition that the text began
    gate        what would parse where the file does, and what the model was sure of
    sound       whether text would parse; ends: the least that would end it
    confidence  how sure the model was of each line
    overlap     text that repeats what stands behind the cursor
    repeat      loops

`complete` calls; all text has LF as its only line end.
"""

from __future__ import annotations

from midfill_lsp.trim.context import TrimContext, describe, indent_below
from midfill_lsp.trim.lexer import leaves_room
from midfill_lsp.trim.line import before_closers
from midfill_lsp.trim.trimmer import Trimmer, TrimResult, TrimStep

__all__ = [
    "TrimContext",
    "TrimResult",
    "TrimStep",
    "Trimmer",
    "before_closers",
    "describe",
    "indent_below",
    "leaves_room",
]
