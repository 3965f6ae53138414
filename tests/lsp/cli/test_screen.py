"""What the demo draws."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from midfill_lsp.cli import samples
from midfill_lsp.cli.screen import Frame


@pytest.mark.parametrize("sample", samples.load(), ids=lambda sample: sample.name)
def test_ghost_text_stands_at_the_caret(sample: samples.Sample) -> None:
    # At a caret behind the indentation of a last line it was drawn at the end of the line above.
    frame = Frame(sample)
    frame.draw("ghost\x1b")
    console = Console(width=100, file=io.StringIO(), no_color=True)
    with console.capture() as capture:
        console.print(frame)
    drawn = capture.get().splitlines()[1 + sample.caret.line_idx]
    assert drawn[2 + sample.caret.column :].startswith("ghost\ufffd")  # no order to a terminal
