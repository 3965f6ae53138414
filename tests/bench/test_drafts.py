"""Drafts replayed on sequences that can be followed by hand."""

import json
from pathlib import Path

import pytest
from bench import drafts
from bench.backends import VARIANTS, Answer, Ask
from bench.cases import Case
from bench.drafting import Replay, cost_of, from_flags, from_text, longest_match, replay
from training.reference import Vocabulary

KNOWN = [1, 2, 3, 4, 5, 6]


def test_without_drafts_each_step_makes_one_token() -> None:
    assert replay(KNOWN, lambda _done, _most: [], 4) == Replay(5, 5, 0, 0, ((1, 5),))
    assert replay(KNOWN[:1], lambda _done, _most: [], 4) == replay([], lambda _d, _m: [], 4)


def test_a_draft_is_accepted_up_to_its_first_wrong_token() -> None:
    # After 1 comes the draft 2 3 9 9: 2 and 3 are right, the model adds 4; then 5 6 is right.
    made = {1: [2, 3, 9, 9], 4: [5, 6]}
    found = replay(KNOWN, lambda done, _most: made[done], 4)
    assert found == Replay(2, 5, 6, 4, ((3, 1), (5, 1)))


def test_drafts_are_cut_to_the_asked_length() -> None:
    assert replay(KNOWN, lambda done, _most: KNOWN[done:], 2) == Replay(2, 5, 4, 4, ((3, 2),))


def test_speedup_weighs_tokens_against_the_cost_of_rows() -> None:
    found = Replay(steps=2, made=6, drafted=8, accepted=4, rows=((5, 2),))
    assert found.speedup({1: 1, 5: 1.5}) == pytest.approx(6 / 3)
    assert found.speedup({1: 1, 5: 1.5}, draft_cost=0.25) == pytest.approx(6 / 5)
    assert Replay().speedup({1: 1}) == 1


def test_costs_between_and_beyond_the_table_are_on_straight_lines() -> None:
    costs = {1: 1.0, 8: 2.0, 16: 4.0}
    assert [cost_of(num, costs) for num in (1, 8, 12, 16, 17)] == [1, 2, 3, 4, 4.25]
    assert cost_of(9, {1: 1.5}) == 1.5


def test_counts_add_up() -> None:
    one, other = Replay(1, 2, 3, 1, ((4, 1),)), Replay(2, 2, 3, 0, ((1, 1), (4, 1)))
    assert one + other == Replay(3, 4, 6, 1, ((1, 1), (4, 2)))


def test_the_longest_and_of_these_the_latest_match_is_taken() -> None:
    text = [7, 1, 2, 8, 7, 1, 2, 9, 1, 2, 5, 7, 1, 2]
    assert longest_match(text, text, inside=True) == (7, 3)
    assert longest_match([1, 2, 3, 1, 2], [0, 1, 2], inside=False) == (2, 2)
    assert longest_match([1, 2, 3], [4], inside=False) == (0, 0)
    assert longest_match([1, 1], [1, 1], inside=True) == (1, 1)
    assert longest_match([], [1], inside=False) == (0, 0)


def test_text_drafts_what_followed_the_same_words() -> None:
    text = [1, 2, 3, 4, 5, 6, 9, 1]
    assert list(from_text([2, 3], text)(1, 3)) == [3, 4, 5]
    assert list(from_text([8, 3], text)(1, 3)) == []
    assert list(from_text([2, 3], text, min_match=3)(1, 3)) == []


def test_a_hint_wins_where_it_matches_as_far() -> None:
    text, hint = [1, 2, 3, 4, 9, 1], [1, 2, 7, 7]
    assert list(from_text([2, 7], text, hint)(1, 2)) == [7, 7]
    assert list(from_text([2, 7], [0, *text[:-1], 0, 1], [5, 2, 7])(1, 2)) == [3, 4]


def test_another_model_drafts_right_up_to_its_first_disagreement() -> None:
    draft = from_flags(KNOWN, [True, True, False, True, True, True])
    assert replay(KNOWN, draft, 4) == Replay(2, 5, 7, 4, ((4, 1), (5, 1)))


def test_an_edit_has_the_earlier_text_from_the_line_start_on(vocabulary: Vocabulary) -> None:
    asked = Ask("a\nself.cat", "\n", VARIANTS["spm"], 32)
    case = Case("line", "package", "a.py", "python", "a\nself.cat", "\n", "alogue")
    made = drafts.edit(vocabulary, case, asked, Answer("x", [1]), Answer("bus(1)", [2]))
    assert (made.earlier, made.cluster) == ("bus(1)", case.cluster)
    assert vocabulary.decode(made.hint) == "self.cabus(1)"
    assert vocabulary.decode(made.text) == "\na\nself.cat"


@pytest.mark.e2e
@pytest.mark.slow
def test_a_model_is_a_good_draft_model_for_itself(
    model: Path, corpus: Path, counted: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    options = ["--model", str(model), "--ngram", str(counted), "--draft-model", str(model)]
    options += ["--files", str(corpus), "--num-cases", "4", "--variant", "spm"]
    options += ["--costs", "1", "1", "1", "1", "1", "--dtype", "float32"]
    monkeypatch.setattr("sys.argv", ["drafts.py", *options])
    assert drafts.main() == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert {row["drafts"] for row in rows} >= {"text", "n-gram model", "smaller model"}
    own = [row for row in rows if row["drafts"] == "smaller model" and row["tokens"]]
    assert own
    for row in own:
        # Not quite 1: the engine shows no special tokens, and a random model makes some.
        assert row["accepted_share"] > 0.9
        assert row["speedup"] == row["tokens_per_step"] > 1
