"""The last rules: what would not parse, and what the model was not sure of."""

from __future__ import annotations

import math

import pytest

from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, describe
from midfill_lsp.trim.confidence import Confidence

GRAMMARS = Grammars()
SURE, UNSURE = math.log(0.9), math.log(0.2)
Scored = list[tuple[str, float]]


def _feed(trimmer: Trimmer, pieces: Scored) -> list[str]:
    shown: list[str] = []
    for text, logprob in pieces:
        trimmer.score(((len(text), logprob),))
        shown.append(trimmer.feed(text).text)
    return shown


def _trimmer(min_confidence: float = 0.5, is_shown: bool = False, head: str = "    ") -> Trimmer:
    context = describe(f"def f():\n{head}", "\n", "python", min_confidence=min_confidence)
    return Trimmer(context, is_shown)


def test_a_line_is_as_sure_as_its_tokens_are_on_average() -> None:
    confidence = Confidence()
    confidence.add("a b\r\n    c", ((1, -1.0), (2, -3.0), (6, -9.0), (1, -0.5)))
    assert confidence.of_line(0) == pytest.approx(-2.0)
    assert confidence.of_line(1) == pytest.approx(-0.5)
    assert confidence.of_line(2) is None
    assert confidence.of_line(-1) is None


def test_a_token_counts_for_the_line_it_begins_in() -> None:
    confidence = Confidence()
    confidence.add("a):\n\n  b", ((1, -1.0), (5, -2.0), (2, -4.0)))
    assert confidence.of_line(0) == pytest.approx(-1.5)
    assert confidence.of_line(1) is None
    assert confidence.of_line(2) == pytest.approx(-4.0)


def test_a_first_line_that_was_guessed_is_not_shown() -> None:
    trimmer = _trimmer()
    _feed(trimmer, [("x = ", SURE), ("foo()", UNSURE), ("\n", SURE)])
    result = trimmer.finish()
    assert (result.text, result.reason) == ("", "unsure")


def test_text_ends_before_a_line_that_was_guessed() -> None:
    trimmer = _trimmer()
    _feed(trimmer, [("x = 1\n", SURE), ("    y = ", UNSURE), ("2\n", UNSURE), ("    z", SURE)])
    result = trimmer.finish()
    assert (result.text, result.reason) == ("x = 1", "unsure")


def test_a_line_grows_once_it_is_likely_and_is_never_taken_back() -> None:
    trimmer = _trimmer(is_shown=True, head="    x = ")
    shown = _feed(trimmer, [("a", UNSURE), (" + b", SURE), (" + c", UNSURE), (" + d", UNSURE)])
    assert shown == ["", "", "", ""]
    trimmer = _trimmer(is_shown=True, head="    x = ")
    shown = _feed(trimmer, [("a", SURE), (" + b", UNSURE), (" + c", UNSURE), ("\n", SURE)])
    assert shown == ["a", "a", "a", "a"]
    assert trimmer.finish().reason == "unsure"


@pytest.mark.parametrize("tokens", [(), ((5, UNSURE),)])
def test_nothing_is_held_back_without_a_bound_or_without_scores(
    tokens: tuple[tuple[int, float], ...],
) -> None:
    trimmer = _trimmer(min_confidence=0.0 if tokens else 0.9)
    trimmer.score(tokens)
    trimmer.feed("x = 1")
    assert trimmer.finish().text == "x = 1"


def test_the_bound_goes_by_the_geometric_mean() -> None:
    for bound, text in ((0.42, "x = 1"), (0.43, "")):
        trimmer = _trimmer(min_confidence=bound)
        _feed(trimmer, [("x =", SURE), (" 1", UNSURE)])  # sqrt(0.9 * 0.2) is 0.424
        assert trimmer.finish().text == text


def test_a_docstring_that_moved_to_the_next_line_is_judged_by_its_own() -> None:
    context = describe("def f():", "\n", "python", min_confidence=0.5)
    trimmer = Trimmer(context, is_shown=False)
    _feed(trimmer, [(' """', SURE), ("It.", SURE), ('"""', SURE), ("\n    return", UNSURE)])
    _feed(trimmer, [(" 1", UNSURE), ("\n", SURE)])
    assert trimmer.finish().text == '\n    """It."""'


def _shown(language_id: str, document: str, written: str, is_shown: bool = False) -> str:
    prefix, suffix = document.split("█")
    grammar = GRAMMARS.load(language_id)
    trimmer = Trimmer(describe(prefix, suffix, language_id, grammar=grammar), is_shown)
    for char in written:
        trimmer.feed(char)
    return trimmer.finish().text


def test_a_language_that_the_grammar_does_not_know_is_not_judged() -> None:
    cpp = "".join(f"template <typename T> class A{idx} : B<T> {{}};\n" for idx in range(8))
    assert _shown("c", cpp + "int f() {\n  █\n}\n", "auto *a = b<c>()();\n}") != ""


def test_a_sound_file_is_told_from_a_broken_one() -> None:
    written = "return return x\n    y = 1\n"
    assert _shown("python", "def f(x):\n    █\n", written) == ""
    broken = "def g(:\n    pass\n\n\n"
    assert _shown("python", broken + "def f(x):\n    █\n", written) == ""
    assert _shown("python", broken + "def f(x):\n    █\n", "return x\n") == "return x"
    assert _shown("python", "def f(x):\n    █\n", written, is_shown=True) == "return return x"


def test_lines_that_do_not_parse_yet_are_held_back_and_then_come() -> None:
    context = describe("def f():\n    ", "\n", "python", grammar=GRAMMARS.load("python"))
    trimmer = Trimmer(context)
    steps = [
        trimmer.feed(line).text
        for line in ("a = 1\n", "    @wrapped(\n", "        1)\n", "    b c\n", "x")
    ]
    assert steps[0] == "a = 1"
    assert steps[-1] == steps[2]
    assert trimmer.finish().reason == "syntax"


def test_what_never_parses_ends_the_stream() -> None:
    context = describe("def f():\n    ", "\n", "python", grammar=GRAMMARS.load("python"))
    trimmer = Trimmer(context)
    trimmer.feed("a = 1\n")
    done = [trimmer.feed(f"    b c{idx} d\n").done for idx in range(20)]
    assert done.count(False) == 12
    assert trimmer.finish().text == "a = 1"
