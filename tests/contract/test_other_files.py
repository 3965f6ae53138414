"""Both programs put other files before a prompt, and may not import each other: the same way."""

from __future__ import annotations

import pytest

from midfill_engine.text import extra_files
from midfill_lsp import fim_files
from midfill_lsp.fim_files import OtherFile, OtherFiles, as_comments


def test_comments_are_the_same_in_every_language() -> None:
    assert dict(fim_files.COMMENT_MARKS) == dict(extra_files.COMMENT_MARKS)


@pytest.mark.parametrize("name", ["src/a.py", "b.CSS", "Makefile", "a  b\n.mts", "notes.unknown"])
def test_a_file_stands_under_the_same_comment(name: str) -> None:
    text = as_comments(OtherFiles(files=(OtherFile(name, "text"),)))
    assert text == f"{extra_files.comment(name)}text\n"
