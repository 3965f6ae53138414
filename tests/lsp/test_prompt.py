"""Windows around the cursor: budgets, anchors, line ends."""

from __future__ import annotations

from itertools import pairwise

import pytest

from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.lines import Lines, split_lines
from midfill_lsp.prompt import build


def test_a_small_document_is_sent_whole() -> None:
    prompt = build(split_lines("a\r\nbc\r\nd"), 1, 1, 1000, 1000)
    assert (prompt.prefix, prompt.suffix, prompt.first_line) == ("a\nb", "c\nd", 0)


def test_the_windows_keep_to_their_budgets_and_start_and_end_at_lines() -> None:
    lines = [f"line {idx}\n" for idx in range(1000)]
    prompt = build(lines, 500, 4, 1000, 300)
    assert 500 <= len(prompt.prefix) <= 1000
    assert prompt.prefix.startswith(f"line {prompt.first_line}\n")
    assert prompt.prefix.endswith("\nline")
    assert len(prompt.suffix) <= 300
    assert prompt.suffix.startswith(" 500\n")
    assert prompt.suffix.endswith("\n")


@pytest.mark.parametrize("line_idx", [0, 1, 127, 128, 129, 700, 998, 999])
@pytest.mark.parametrize("chars", [90, 1000, 5000])
def test_windows_of_many_lines_take_as_many_as_fit(line_idx: int, chars: int) -> None:
    lines = tuple(f"{idx % 10}" * (idx % 7) + "\n" for idx in range(1000))
    prompt = build(lines, line_idx, 0, chars, chars)
    num_below = 0
    while line_idx + num_below < 1000 and (
        sum(map(len, lines[line_idx : line_idx + num_below + 1])) <= chars
    ):
        num_below += 1
    assert prompt.suffix == "".join(lines[line_idx : line_idx + num_below])
    assert prompt.prefix == "".join(lines[prompt.first_line : line_idx])
    assert len(prompt.prefix) <= chars
    assert prompt.first_line == 0 or len(prompt.prefix) >= chars // 2
    assert prompt == build(Lines(lines), line_idx, 0, chars, chars)


def test_typing_only_appends_but_for_rare_large_steps() -> None:
    lines = [f"x = {idx}\n" for idx in range(400)] + [""]
    moves, last = 0, None
    for idx in range(400, 800):
        lines[-1] = f"y = {idx}\n"
        lines.append("")
        prompt = build(lines, len(lines) - 1, 0, 1000, 100)
        assert 500 <= len(prompt.prefix) <= 1000
        if last is not None and not prompt.prefix.startswith(last):
            moves += 1
        last = prompt.prefix
    assert moves <= 12


@pytest.mark.parametrize("column", [150, 1000, 65_536, 99_999])
def test_a_line_over_the_budget_is_cut_inside(column: int) -> None:
    line = "x" * 100_000
    prompt = build([line], 0, column, 100, 50)
    assert 50 <= len(prompt.prefix) <= 100
    assert len(prompt.suffix) == min(50, 100_000 - column)


@pytest.mark.parametrize(
    "line",
    [
        "".join(chr(97 + idx % 26) for idx in range(3000)),
        "".join(f'"password_{idx}": "{idx} Hunter2", ' for idx in range(110)),
    ],
)
def test_a_long_line_moves_its_anchor_rarely(line: str) -> None:
    windows = [build([line], 0, column, 400, 0).prefix for column in range(1000, 3000)]
    moved = [not after.startswith(before) for before, after in pairwise(windows)]
    assert sum(moved) <= 20


SECRETS = ["Hunter2SpringTime!", "correct horse battery", "ghp_" + "a1B2c3D4e5F6" * 3]
FILLER = '"zz": "zzz zz", "zz": [1, 2, 3], '


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("quote", ['"', "`", '\\"'])
@pytest.mark.parametrize("num_between", [0, 1, 9])
def test_no_cut_hides_what_a_secret_is(secret: str, quote: str, num_between: int) -> None:
    # Half a password without its name, or half a token, went out from a long line.
    item = f"password: {quote}{secret}{quote}, "
    line = (FILLER + (item + FILLER * num_between) * 4) * (5 if num_between else 20) + "\n"
    masks, parts = SecretLines(), [secret[idx : idx + 6] for idx in range(len(secret) - 5)]
    for column in range(600, len(line) - 600, 37):
        prompt = build([line], 0, column, 500, 300)
        sent = "|".join(masks.mask_around(prompt.prefix, prompt.suffix)[:2])
        assert not any(part in sent for part in parts), column
        assert 125 <= len(prompt.prefix) <= 500
        assert 150 <= len(prompt.suffix) <= 300


def test_half_characters_do_not_reach_the_wire() -> None:
    prompt = build(["a\ud83d"], 0, 2, 100, 100)
    assert prompt.prefix == "a\ufffd"
    prompt.prefix.encode()


def test_an_empty_document() -> None:
    prompt = build([""], 0, 0, 100, 0)
    assert (prompt.prefix, prompt.suffix) == ("", "")
