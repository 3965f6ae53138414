"""Infill prompts whose end is taken back: in each order, and within the budget."""

from __future__ import annotations

import random

import pytest

from midfill_engine.text.extra_files import Extra, ExtraFile
from midfill_engine.text.families import Order
from midfill_engine.text.fim import InfillPrompt, build_infill
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text.test_fim import family_of, prompt_text, random_code


@pytest.mark.parametrize(
    ("order", "middle_start", "shown"),
    [
        ("spm", "", "<s>▁<PRE>▁<SUF>s▁<MID>x.|impor"),
        ("spm", "im", "<s>▁<PRE>▁<SUF>s▁<MID>x.impor|im"),
        ("psm", "", "<s>▁<PRE>x.▁<SUF>s▁<MID>|impor"),
        ("psm", "y im", "<s>▁<PRE>x.impor▁<SUF>s▁<MID>y |im"),
        ("psm", "im", "<s>▁<PRE>x.impor▁<SUF>s▁<MID>|im"),
    ],
)
def test_healing_takes_back_the_text_before_the_cursor(
    starter_kind: Tokenizer, order: Order, middle_start: str, shown: str
) -> None:
    prompt = build_infill(
        starter_kind,
        family_of(starter_kind),
        prefix="x.impor",
        suffix="s",
        middle_start=middle_start,
        order=order,
        budget_tokens=100,
        heal=PieceIndex(starter_kind, starter_kind.vocab_size),
    )
    assert prompt.healing is not None
    assert f"{prompt_text(starter_kind, prompt)}|{prompt.healing.text.decode()}" == shown


@pytest.mark.parametrize("prefix", ["", "x\n", "x^"])
def test_nothing_to_heal_leaves_the_prompt(starter_kind: Tokenizer, prefix: str) -> None:
    index = PieceIndex(starter_kind, starter_kind.vocab_size)

    def build(heal: PieceIndex | None) -> InfillPrompt:
        return build_infill(
            starter_kind,
            family_of(starter_kind),
            prefix=prefix,
            suffix="import",
            extra=Extra((ExtraFile("a.py", "import"),)),
            budget_tokens=100,
            heal=heal,
        )

    assert build(index) == build(None)


@pytest.mark.parametrize("order", ["psm", "spm"])
@pytest.mark.parametrize("budget", [32, 50, 160])
def test_what_is_taken_back_can_be_repeated_byte_by_byte(
    starter_kind: Tokenizer, order: Order, budget: int
) -> None:
    rng = random.Random(budget)
    document = random_code(rng, 900)
    num_healed = 0
    index = PieceIndex(starter_kind, starter_kind.vocab_size)
    for length in range(1, 900, 7):
        prompt = build_infill(
            starter_kind,
            family_of(starter_kind),
            prefix=document[:length],
            suffix=document[length:],
            order=order,
            budget_tokens=budget,
            heal=index,
        )
        healed = b"" if prompt.healing is None else prompt.healing.text
        assert len(prompt.ids) + len(healed) <= budget
        assert document[:length].encode().endswith(healed)
        num_healed += bool(healed)
    assert num_healed > 10
