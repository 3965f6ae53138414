"""The n-gram baseline against a brute-force computation on a tiny text."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bench.adaptive import Adaptive, FileCounts, OtherTokenizerError, load, tune
from bench.cases import draw
from bench.ngram import Ids, Level, Ngram, discounts_of, encode_corpus, estimate
from bench.ngram import load as load_ngram
from training.reference import Vocabulary
from training.sources import SourceFile

VOCAB = 7
BOS = 0
ORDER = 3


def text() -> Ids:
    rng = np.random.default_rng(0)
    documents = [np.array([BOS, BOS, *rng.integers(1, VOCAB, 30)]) for _ in range(3)]
    return np.concatenate(documents).astype(np.uint16)


def brute_force(ids: list[int], context: list[int], discounts: list[list[float]]) -> list[float]:
    """Interpolated Kneser-Ney, straight from its definition."""
    grams = {
        num: Counter(
            tuple(ids[end - num + 1 : end + 1]) for end in range(ORDER - 1, len(ids)) if ids[end]
        )
        for num in range(1, ORDER + 1)
    }
    counts = {ORDER: grams[ORDER]}
    for num in range(ORDER - 1, 0, -1):
        counts[num] = Counter(gram[1:] for gram in grams[num + 1])
    chances = [1 / VOCAB] * VOCAB
    for num in range(1, ORDER + 1):
        key = tuple(context[len(context) - num + 1 :])
        found = {gram[-1]: count for gram, count in counts[num].items() if gram[:-1] == key}
        if not found:
            break
        total = sum(found.values())
        cut = {idx: discounts[num - 1][min(count, 3)] for idx, count in found.items()}
        left = sum(cut.values()) / total
        chances = [
            left * chances[idx] + (found.get(idx, 0) - cut.get(idx, 0)) / total
            for idx in range(VOCAB)
        ]
    return chances


def test_chances_agree_with_the_definition_and_sum_to_one() -> None:
    ids = text()
    model = estimate(ids, BOS, VOCAB, ORDER)
    discounts = [
        discounts_of(np.asarray(list(counter.values())))
        for counter in (
            Counter(g[1] for g in {(int(a), int(b)) for a, b in pairs(ids)}),
            Counter(g[1:] for g in {(int(a), int(b), int(c)) for a, b, c in triples(ids)}),
            Counter((int(a), int(b), int(c)) for a, b, c in triples(ids)),
        )
    ]
    for context in ([], [3], [1, 2], [BOS, BOS], [5, 6], [4, 4, 4], [2, 6, 1]):
        chances = model.distribution(context)
        want = brute_force(ids.tolist(), context[-2:], [each.tolist() for each in discounts])
        assert chances.sum() == pytest.approx(1)
        assert chances == pytest.approx(want)


def pairs(ids: Ids) -> list[tuple[int, int]]:
    return [(a, b) for _, a, b in triples(ids)]


def triples(ids: Ids) -> list[tuple[int, int, int]]:
    """Every three ids that end in a token; the pairs in them count for the lower orders."""
    values = ids.tolist()
    return [
        (values[i - 2], values[i - 1], values[i]) for i in range(2, len(values)) if values[i] != BOS
    ]


def test_discounts_of_too_small_a_text_are_fixed() -> None:
    assert discounts_of(np.array([1, 1, 2])).tolist() == [0, 0.75, 0.75, 0.75]


def test_the_last_id_of_a_full_vocabulary_is_found() -> None:
    keys = np.array([0xFFFE, 0xFFFF], dtype=np.uint64)
    level = Level(keys, np.array([1, 3], dtype=np.uint32), np.array([0, 0.5, 0.5, 0.5]))
    chances = Ngram([level], 1 << 16).distribution([])
    assert chances.argmax() == 0xFFFF
    assert chances.sum() == pytest.approx(1)


def test_vocabularies_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="65537 ids"):
        estimate(text(), BOS, 65_537, ORDER)


def test_file_counts_are_witten_bell_and_sum_to_one() -> None:
    lower = np.full(4, 0.25)
    counts = FileCounts([1, 2, 1, 3, 1, 2], 2)
    # After nothing: 1 three times, 2 twice, 3 once; after 1: 2 twice, 3 once.
    unigram = (3 * lower + np.array([0, 3, 2, 1])) / 9
    bigram = (2 * unigram + np.array([0, 0, 2, 1])) / 5
    assert counts.distribution([1], lower) == pytest.approx(bigram)
    assert counts.distribution([0], lower) == pytest.approx(unigram)
    assert (counts.match_len([1]), counts.match_len([0])) == (1, 0)
    assert FileCounts([], 2).distribution([1], lower) == pytest.approx(lower)


def test_weights_are_those_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    seen: list[tuple[int, float, float]] = []
    for _ in range(4000):
        is_local = rng.random() < 0.7
        right = rng.random() < (0.9 if is_local else 0.1)
        seen.append((0, 0.1 if right else 0.9, 0.9 if right else 0.1))
    assert tune(seen, 2) == [pytest.approx(0.7, abs=0.05), 0.5]


def test_a_saved_model_says_the_same(counted: Path, corpus: Path, vocabulary: Vocabulary) -> None:
    ids = encode_corpus(corpus, vocabulary, 4)
    made = estimate(ids, vocabulary.sentinels.bos, vocabulary.size, 4)
    context = vocabulary.encode("    def greet(self")
    assert np.array_equal(load_ngram(counted).distribution(context), made.distribution(context))


def test_what_was_trained_on_is_completed_from_inside_a_word(
    counted: Path, model: Path, files: list[SourceFile]
) -> None:
    adaptive = load(counted, model)
    code = files[0].text
    place = code.index("eter:")
    assert adaptive.complete(code[:place], 48).text.split("\n")[0] == "eter:"
    several = adaptive.complete(code[:place], 48, num_lines=3).text
    assert several.count("\n") == 3
    assert several in code


def test_known_text_costs_fewer_bits_than_unknown(
    counted: Path, model: Path, files: list[SourceFile]
) -> None:
    adaptive = load(counted, model)
    strange = SourceFile("p", "MIT", "p/x.py", files[0].text[::-1])
    known = adaptive.bits(draw(files[:1], "line", 5), 48).interval()[0]
    unknown = adaptive.bits(draw([strange], "line", 5), 48).interval()[0]
    assert 0 < known < 0.5 * unknown


def test_mixed_chances_sum_to_one(counted: Path, vocabulary: Vocabulary) -> None:
    adaptive = Adaptive(load_ngram(counted), vocabulary)
    context, must = adaptive.prompt("import os\n\nclass Gree")
    assert must
    counts = FileCounts(context, 4)
    assert adaptive.distribution(context, counts).sum() == pytest.approx(1)


def test_another_tokenizer_is_refused(counted: Path, tmp_path: Path, model: Path) -> None:
    text = (model / "tokenizer.json").read_text(encoding="utf-8")
    assert '"!"' in text
    (tmp_path / "tokenizer.json").write_text(text.replace('"~"', '"\u00a1"'), encoding="utf-8")
    with pytest.raises(OtherTokenizerError, match="another tokenizer"):
        load(counted, tmp_path)
