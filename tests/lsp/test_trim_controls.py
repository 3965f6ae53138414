"""Control characters in what a model writes: none that the document does not have."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import Trimmer, describe
from tests.lsp.trimming import trimmed

CONTROLS = ("\x00", "\x08", "\x1b]52;c;aGk=\x07", "\x9b2J", "\u202e", "\u2066")
SH = "shellscript"


@pytest.mark.parametrize("control", CONTROLS)
def test_a_line_with_one_is_not_suggested(control: str) -> None:
    """What stood before it was: an open quote."""
    result = trimmed(SH, "COLOR=█\n", f"'{control}'\n")
    assert (result.text, result.reason) == ("", "sentinel")
    block = trimmed("python", "if x:\n    █\n", f"y()\n    z('{control}')\n    a()\n")
    assert (block.text, block.reason) == ("y()", "sentinel")


@pytest.mark.parametrize("control", CONTROLS)
def test_of_a_line_that_grows_nothing_is_shown_from_it_on(control: str) -> None:
    growing = Trimmer(describe("x = ", "\n", "python"))
    for char in f"1{control}2\n":
        growing.feed(char)
    assert growing.finish().text == "1"


@pytest.mark.parametrize(
    ("document", "written", "inserted"),
    [
        ("A='\x1b[0m'\nB=█\n", "'\x1b[1m'\n", "'\x1b[1m'"),
        ("B=█\nA='\x1b[0m'\n", "'\x1b[1m'\n", "'\x1b[1m'"),
        ("A='\x1b[0m'\nB=█\n", "'\x1b[1m\x07'\n", ""),
        ("A='\x1b[0m'\nB=█\n", "'\x1b[1m'<EOT>2\n", "'\x1b[1m'"),
        ("A='\u202e'\nB=█\n", "'\u202e'\n", ""),  # a direction never is
    ],
)
def test_what_the_document_has_may_come_again(document: str, written: str, inserted: str) -> None:
    assert trimmed(SH, document, written).text == inserted
