"""Where a suggestion ends, decided while it is being written. Pure: text in, text out.

    context     what the cursor's surroundings ask for: line or block, brackets, the lines below
    trimmer     feeds deltas through the rules; what was shown is only ever extended
    start       the blanks that a suggestion begins with
    sentinel    control tokens that leaked into the text
    brackets    closers that the document has already
    block       the end of a block, from indentation and braces
    overlap     text that repeats what stands behind the cursor
    repeat      loops

`complete` calls; all text has LF as its only line end.
"""

from __future__ import annotations

from midfill_lsp.trim.context import TrimContext, describe
from midfill_lsp.trim.trimmer import Trimmer, TrimResult, TrimStep

__all__ = ["TrimContext", "TrimResult", "TrimStep", "Trimmer", "describe"]
