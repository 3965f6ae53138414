"""Batches: one document a row, the same for the same step, languages by their shares."""

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer
from training.batches import Phase, Stream, sentinels_of, shelves
from training.infill import Document, Mix
from training.recipe import SIZES

MIX = Mix(header=0.0)


def stream(tokenizer: Tokenizer, code: str, phase: Phase, seed: int = 5) -> Stream:
    docs = [Document(f"{n}.py", "python", code * n) for n in (1, 2, 3, 20)]
    docs.append(Document("a.js", "javascript", "let a = 1;\n" * 200))
    docs.append(Document("a.cobol", "cobol", "STOP RUN.\n" * 200))
    shares = {"python": 0.5, "javascript": 0.5}
    return Stream(shelves(docs), shares, tokenizer, 512, lambda step: phase, seed)


def test_a_batch_depends_on_the_step_alone(plain_tokenizer: Tokenizer, code: str) -> None:
    phase = Phase({64: 0.5, 128: 0.5}, MIX)
    first, again = (stream(plain_tokenizer, code, phase) for _ in range(2))
    for step in (7, 3, 7):
        one, other = first.batch(step), again.batch(step)
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))
    assert not first.batch(7)[0][0].equal(first.batch(8)[0][0])
    assert not first.batch(7)[0][0].equal(stream(plain_tokenizer, code, phase, 6).batch(7)[0][0])


def test_every_step_has_the_same_number_of_tokens(plain_tokenizer: Tokenizer, code: str) -> None:
    made = stream(plain_tokenizer, code, Phase({64: 0.5, 128: 0.3, 256: 0.2}, MIX))
    shapes: set[tuple[int, ...]] = set()
    for step in range(40):
        ids, targets, weights = made.batch(step)
        assert ids.numel() == 512
        assert ids.shape == targets.shape == weights.shape
        shapes.add(tuple(ids.shape))
    assert shapes == {(8, 64), (4, 128), (2, 256)}


def test_a_row_holds_one_document(plain_tokenizer: Tokenizer, code: str) -> None:
    s = sentinels_of(plain_tokenizer)
    made = stream(plain_tokenizer, code, Phase({256: 1.0}, MIX))
    languages: set[str] = set()
    for step in range(30):
        ids, _, weights = made.batch(step)
        for row, weight in zip(rows(ids), rows(weights), strict=True):
            assert row.count(s.bos) == 1
            text = plain_tokenizer.decode([int(idx) for idx in row], skip_special_tokens=True)
            assert "STOP RUN" not in text
            languages.add("javascript" if "let a" in text else "python")
            padding = len(row) - 1 - row.index(s.eos) if s.eos in row else 0
            assert padding == 0 or not any(weight[-padding:])
    assert languages == {"python", "javascript"}


def rows(tensor: torch.Tensor) -> list[list[float]]:
    return [[float(value) for value in row] for row in tensor]


def test_phases_change_what_is_drawn(plain_tokenizer: Tokenizer, code: str) -> None:
    short, long = Phase({64: 1.0}, MIX), Phase({512: 1.0}, replace(MIX, infill=1.0))
    base = stream(plain_tokenizer, code, short)

    def phase_of(step: int) -> Phase:
        return long if step >= 3 else short

    made = replace(base, phase_of=phase_of)
    assert [made.batch(step)[0].shape[1] for step in range(5)] == [64, 64, 64, 512, 512]


def test_a_corpus_without_any_wanted_language_is_refused(plain_tokenizer: Tokenizer) -> None:
    docs = shelves([Document("a.cobol", "cobol", "STOP RUN.\n")])
    with pytest.raises(ValueError, match="python"):
        Stream(docs, {"python": 1.0}, plain_tokenizer, 512, lambda step: Phase({64: 1.0}, MIX))


@pytest.mark.parametrize("size", SIZES)
def test_recipes_are_sound(size: str) -> None:
    recipe = SIZES[size]
    assert sum(recipe.shares.values()) == pytest.approx(1)
    for phase in (recipe.early, recipe.late):
        assert sum(phase.row_lens.values()) == pytest.approx(1)
        assert max(phase.row_lens) <= recipe.shape.context_len
        assert all(recipe.step_tokens % row_len == 0 for row_len in phase.row_lens)
    hidden, shape = recipe.shape.hidden_size, recipe.shape
    attention = hidden * shape.head_dim * 2 * (shape.num_heads + shape.num_kv_heads)
    weights = shape.num_layers * (attention + 3 * hidden * shape.ffn_size)
    assert 2 * (weights + shape.vocab_size * hidden) < 64_000_000
