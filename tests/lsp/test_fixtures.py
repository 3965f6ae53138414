"""What is shown, case by case: from the document and the raw text to what is inserted.

Each case is fed whole and character by character, with the parser and without, and what was shown
may only ever grow.
"""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from midfill_lsp import prompt as prompts
from midfill_lsp.complete.request import CompletionRequest
from midfill_lsp.document import Position, open_snapshot
from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, TrimResult, describe
from tests.lsp.fixtures.reading import Fixture, read_all

GRAMMARS = Grammars()
FIXTURES = read_all()
LANGUAGES = ("python", "javascript", "typescript", "go", "rust", "c", "cpp", "java")


def test_there_are_cases_for_every_language() -> None:
    counts = Counter(case.language_id.removesuffix("react") for case in FIXTURES)
    assert all(counts[name] >= 20 for name in LANGUAGES), counts
    assert len(FIXTURES) >= 200
    names = Counter((case.language_id, case.name) for case in FIXTURES)
    assert max(names.values()) == 1


@pytest.mark.parametrize("case", FIXTURES, ids=lambda case: f"{case.language_id}: {case.name}")
def test_what_is_shown(case: Fixture) -> None:
    mode, result, text = _run(case, [case.written], has_parser=True)
    _, pieces, grown = _run(case, list(case.written), has_parser=True)
    if result.reason != "syntax" or "\n" in grown:  # what was shown of a first line stays
        assert (grown, pieces.replaces_rest, pieces.reason) == (text, case.over, result.reason)
    assert (mode, text, result.replaces_rest) == (case.mode, case.shown, case.over)
    if case.reason:
        assert result.reason == case.reason
    plain = _run(case, [case.written], has_parser=False)
    assert ((plain[0], plain[2]) != (mode, text)) == case.needs_parser, "without a parser"


def _run(case: Fixture, pieces: list[str], has_parser: bool) -> tuple[str, TrimResult, str]:
    before, after = case.document.split("█")
    snapshot = open_snapshot("file:///f", case.language_id, 1, before + after, "utf-32")
    line_idx, column = snapshot.locate(
        Position(before.count("\n"), len(before) - before.rfind("\n") - 1)
    )
    prompt = prompts.build(snapshot.lines, line_idx, column, 12_000, 4_000)
    grammar = GRAMMARS.load(case.language_id) if has_parser else None
    context = describe(prompt.prefix, prompt.suffix, case.language_id, grammar=grammar)
    trimmer, shown = Trimmer(context, is_shown=len(pieces) > 1), ""
    for piece in pieces:
        step = trimmer.feed(piece)
        assert len(pieces) == 1 or step.text.startswith(shown), "shown text was taken back"
        shown = step.text
        if step.done:
            break
    result = trimmer.finish(case.cut_short)
    assert len(pieces) == 1 or result.text.startswith(shown), "shown text was taken back"
    request = CompletionRequest("1", snapshot, line_idx, column)
    return context.mode, result, request.shown(result.text)


PARTS = [
    *"(){}[]\"'`:;a #",
    *("\n", "\n    ", "\n\t", "b = 1", "return x", "é", "😀", "//", "/*", "*/", '"""'),
    *("def f():", "if (x) {", "try:"),
]


@pytest.mark.parametrize("seed", range(60))
def test_shown_text_only_grows_whatever_is_written(seed: int) -> None:
    rng = random.Random(seed)
    case = rng.choice(FIXTURES)
    written = "".join(rng.choices(PARTS, k=rng.randrange(40)))
    scored = [(char, math.log(rng.choice((0.1, 0.5, 0.9)))) for char in written]
    before, after = case.document.split("█")
    grammar = GRAMMARS.load(case.language_id)
    context = describe(
        before, after, case.language_id, grammar=grammar, min_confidence=rng.choice((0.0, 0.4))
    )
    trimmer, shown, is_done = Trimmer(context), "", False
    for char, logprob in scored:
        trimmer.score(((1, logprob),))
        step = trimmer.feed(char)
        assert step.text.startswith(shown)
        assert not is_done or step.text == shown, "done, and yet more"
        shown, is_done = step.text, step.done
    assert trimmer.finish(cut_short=bool(seed % 2)).text.startswith(shown)
