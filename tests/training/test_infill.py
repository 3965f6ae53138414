"""Training examples hold the document they were cut from, in both orders."""

import random
from dataclasses import replace

from tokenizers import Tokenizer
from training.batches import offset_encoder, sentinels_of
from training.infill import Document, Example, Mix, Sentinels, header, infill, part, plain

PURE = Mix(no_suffix=0.0, header=0.0)


def parts(example: Example, s: Sentinels) -> tuple[str, list[list[int]]]:
    """Returns the order and the ids between the sentinels: prefix, suffix, the middle's."""
    ids = example.ids
    assert ids[:2] == [s.bos, s.pre]
    suf, mid = ids.index(s.suf), ids.index(s.mid)
    order = "spm" if suf == 2 else "psm"
    return order, [ids[2:suf], ids[suf + 1 : mid], ids[mid + 1 :]]


def document(text: str) -> Document:
    return Document("pkg/greeter.py", "python", text)


def test_examples_hold_the_document_in_both_orders(plain_tokenizer: Tokenizer, code: str) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    orders: set[str] = set()
    for seed in range(200):
        example = infill(document(code), 2000, encode, s, random.Random(seed), PURE)
        order, (before, after, middle) = parts(example, s)
        assert middle[-1] == s.eot
        text = plain_tokenizer.decode(before + middle[:-1] + after, skip_special_tokens=False)
        assert text == code
        orders.add(order)
    assert orders == {"psm", "spm"}


def test_long_documents_are_windowed_around_the_cursor(
    plain_tokenizer: Tokenizer, code: str
) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    text = code * 30
    for seed in range(50):
        example = infill(document(text), 256, encode, s, random.Random(seed), PURE)
        assert len(example.ids) == len(example.weights) == len(example.targets) <= 256
        assert len(example.ids) > 200
        _, (before, after, middle) = parts(example, s)
        # A long middle is cut at its end, and what follows it is not the suffix.
        closed = middle[-1] == s.eot
        pieces = [before + middle[:-1] + after] if closed else [before + middle, after]
        for ids in pieces:
            assert plain_tokenizer.decode(ids, skip_special_tokens=False) in text


def test_a_header_names_the_file_before_the_prefix(plain_tokenizer: Tokenizer, code: str) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    doc, always = document(code * 30), Mix(header=1.0)
    line = encode(header(doc))[0]
    assert plain_tokenizer.decode(line) == "# pkg/greeter.py\n"
    for seed in range(30):
        example = infill(doc, 256, encode, s, random.Random(seed), always)
        order, (before, _, middle) = parts(example, s)
        prefix = before if order == "psm" else middle
        assert prefix[: len(line)] == line
        assert len(example.ids) <= 256
    assert plain(doc, 64, encode, s, random.Random(0), always).ids[1 : 1 + len(line)] == line


def test_sentinels_are_given_never_predicted_but_for_the_end(
    plain_tokenizer: Tokenizer, code: str
) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    example = infill(document(code), 2000, encode, s, random.Random(3), replace(PURE, spm=1.0))
    assert example.targets == example.ids
    weight = dict(zip(example.ids, example.weights, strict=True))
    assert weight[s.pre] == weight[s.suf] == weight[s.mid] == weight[s.bos] == 0
    assert weight[s.eot] == PURE.middle_weight


def test_the_suffix_sentinel_foresees_the_middle(plain_tokenizer: Tokenizer, code: str) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    mix = replace(PURE, spm=0.0)
    changed = 0
    for seed in range(50):
        example = infill(document(code), 2000, encode, s, random.Random(seed), mix)
        behind = example.ids.index(s.suf) + 1
        middle = example.ids[example.ids.index(s.mid) + 1 :]
        if example.ids[behind] == s.mid:
            assert example.targets == example.ids
            continue
        assert example.targets[behind] == middle[0]
        assert example.weights[behind] == mix.suffix_sentinel_weight
        rest = [idx for idx in range(len(example.ids)) if idx != behind]
        assert all(example.targets[idx] == example.ids[idx] for idx in rest)
        changed += example.targets[behind] != example.ids[behind]
    assert changed > 20


def test_prefix_first_middles_may_begin_with_their_line(
    plain_tokenizer: Tokenizer, code: str
) -> None:
    s, encode = sentinels_of(plain_tokenizer), offset_encoder(plain_tokenizer)
    mix = replace(PURE, spm=0.0, line_start=1.0, healed=0.0, recut=0.0)
    for seed in range(50):
        example = infill(document(code), 2000, encode, s, random.Random(seed), mix)
        _, (before, _, _) = parts(example, s)
        prefix = plain_tokenizer.decode(before, skip_special_tokens=False)
        assert prefix == "" or prefix.endswith("\n")


def test_a_healed_cut_gives_the_half_token_to_the_middle(
    plain_tokenizer: Tokenizer, code: str
) -> None:
    encode = offset_encoder(plain_tokenizer)
    always = replace(PURE, healed=1.0)
    joint = encode(code)[0]
    for cut in range(1, len(code)):
        before, middle = part(code[:cut], code[cut:], encode, random.Random(cut), always)
        assert before + middle == joint
        text = plain_tokenizer.decode(before, skip_special_tokens=False)
        assert len(text) <= cut
        following = plain_tokenizer.decode([*before, middle[0]], skip_special_tokens=False)
        assert len(following) >= cut
