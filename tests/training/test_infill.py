"""Training examples hold the document they were cut from, in both orders."""

import random

import pytest
from tokenizers import Tokenizer
from training.batches import Stream, encoder, sentinels_of
from training.infill import Example, Mix, Sentinels, infill, middle_span


def parts(example: Example, s: Sentinels) -> tuple[str, list[list[int]]]:
    """Returns the order and the ids between the sentinels: prefix, suffix, the middle's."""
    ids = example.ids
    assert ids[:2] == [s.bos, s.pre]
    suf, mid = ids.index(s.suf), ids.index(s.mid)
    order = "spm" if suf == 2 else "psm"
    return order, [ids[2:suf], ids[suf + 1 : mid], ids[mid + 1 :]]


def test_examples_hold_the_document_in_both_orders(plain: Tokenizer, code: str) -> None:
    s, encode = sentinels_of(plain), encoder(plain)
    orders: set[str] = set()
    for seed in range(200):
        example = infill(code, 2000, encode, s, random.Random(seed), Mix(no_suffix=0.0))
        order, (before, after, middle) = parts(example, s)
        assert middle[-1] == s.eot
        first, second = (before, middle[:-1])
        text = plain.decode(first + second + after, skip_special_tokens=False)
        assert text == code
        orders.add(order)
    assert orders == {"psm", "spm"}


def test_long_documents_are_windowed_around_the_cursor(plain: Tokenizer, code: str) -> None:
    s, encode = sentinels_of(plain), encoder(plain)
    document = code * 30
    for seed in range(50):
        example = infill(document, 256, encode, s, random.Random(seed), Mix())
        assert len(example.ids) == len(example.weights) <= 256
        _, (before, after, middle) = parts(example, s)
        ids = before + [i for i in middle if i != s.eot] + after
        assert plain.decode(ids, skip_special_tokens=False) in document


def test_sentinels_are_given_never_predicted_but_for_the_end(plain: Tokenizer, code: str) -> None:
    s, mix = sentinels_of(plain), Mix()
    example = infill(code, 2000, encoder(plain), s, random.Random(3), mix)
    weight = dict(zip(example.ids, example.weights, strict=True))
    assert weight[s.pre] == weight[s.suf] == weight[s.mid] == weight[s.bos] == 0
    assert weight[s.eot] == mix.middle_weight


@pytest.mark.parametrize("kind", ["rest_of_line", "whole_lines", "block"])
def test_spans_stay_inside_the_text(code: str, kind: str) -> None:
    shares = {"rest_of_line": 0.0, "whole_lines": 0.0, "block": 0.0, kind: 1.0}
    for seed in range(300):
        start, end = middle_span(code, random.Random(seed), Mix(**shares))
        assert 0 <= start <= end <= len(code)
        assert end == len(code) or code[end] == "\n"


def test_empty_lines_only() -> None:
    assert middle_span("\n\n\n", random.Random(0), Mix(rest_of_line=1.0)) == (3, 3)


def test_batches_depend_on_the_step_alone(plain: Tokenizer, code: str) -> None:
    stream = Stream([code * 3, code], plain, num_rows=2, row_len=128, seed=5)
    ids, targets, weights = stream.batch(7, Mix())
    assert ids.shape == targets.shape == weights.shape == (2, 128)
    assert ids[:, 1:].equal(targets[:, :-1])
    again = Stream([code * 3, code], plain, num_rows=2, row_len=128, seed=5).batch(7, Mix())
    assert ids.equal(again[0])
    assert weights.equal(again[2])
    assert not ids.equal(stream.batch(8, Mix())[0])
