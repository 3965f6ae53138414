"""The suffix that is sent: frozen while one types before it, thawed by all that matters."""

from __future__ import annotations

from midfill_lsp.lines import split_lines
from midfill_lsp.prompt import FrozenSuffixes, build


class Typist:
    """Sends the suffix for a document with the cursor at the bar."""

    def __init__(self, suffix_chars: int = 1000) -> None:
        self._suffixes = FrozenSuffixes()
        self._suffix_chars = suffix_chars

    def sent(self, marked: str, document: str = "a") -> str:
        before, after = marked.split("|")
        line_idx = before.count("\n")
        column = len(before) - before.rfind("\n") - 1
        prompt = build(split_lines(before + after), line_idx, column, 1000, self._suffix_chars)
        return self._suffixes.hold(document, prompt)


def test_closers_of_the_editor_change_nothing() -> None:
    sent = Typist().sent
    for marked in (
        "x = |\nmore\n",
        "x = f(|)\nmore\n",
        'x = f(["|"])\nmore\n',
        'x = f(["y"|])\nmore\n',
        'x = f(["y"])|\nmore\n',
        "x = f(\n    |\n)\nmore\n",
        "x = f('''|''')\nmore\n",
    ):
        assert sent(marked) == "\nmore\n", marked


def test_what_stood_behind_the_cursor_stays() -> None:
    sent = Typist().sent
    assert sent("f(a, |) + b\n") == ") + b\n"
    assert sent("f(a, g(|)) + b\n") == ") + b\n"
    assert sent("f(a, g(c)|) + b\n") == ") + b\n"
    assert sent("f(a, g(c))| + b\n") == " + b\n"


def test_other_changes_are_told_at_once() -> None:
    for marked in (
        "x = |\nmore!\n",  # edited below
        "x = |)\nmore\n",  # closes nothing
        "x = (|]\nmore\n",
        "x = (|) + 1\nmore\n",
        "x = '|\"\nmore\n",
        "x = |\nmore\nand more\n",  # the document grew behind what was sent
        "x =| \nmore\n\n",
    ):
        typist = Typist()
        assert typist.sent("x = |\nmore\n") == "\nmore\n"
        assert typist.sent(marked) == marked.split("|")[1], marked


def test_another_place_with_the_same_text_is_another_place() -> None:
    """An empty suffix once matched everywhere."""
    sent = Typist().sent
    assert sent("a\nb|") == ""
    assert sent("a|\nb") == "\nb"
    assert sent("a\n|b") == "b"
    sent = Typist(suffix_chars=4).sent
    assert sent("|\nb\nb\nb\nb\n") == "\nb\n"
    assert sent("\nb\nb|\nb\nb\n") == "\nb\n"
    assert sent("\nb|c\nb\nb\nb\n") == "c\nb\n"


def test_documents_do_not_share_and_are_forgotten() -> None:
    sent = Typist().sent
    assert sent("|\nb\n", "one") == "\nb\n"
    assert sent("(|)\nb\n", "two") == ")\nb\n"
    assert sent("(|)\nb\n", "one") == "\nb\n"
    for idx in range(100):
        sent("|x", f"other {idx}")
    assert sent("(|)\nb\n", "one") == ")\nb\n"


def test_long_windows_and_other_line_ends() -> None:
    sent = Typist(suffix_chars=40).sent
    below = "".join(f"line {idx}\r\n" for idx in range(50))
    first = sent("f|\r\n" + below)
    assert 20 <= len(first) <= 40
    assert sent("f(|)\r\n" + below) == first
    assert sent("f(\r\n  |\r\n)\r\n" + below) == first
    assert sent("f(\r\n  a\r\n)|\r\n" + below) == first
