"""The bench's measurements over contenders whose clock is made up, its table and its plot."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.contenders import Trace
from bench.engine_report import plot, table
from bench.llama import LlamaSettings
from bench.timings import Plan, agreement, measure


class Clockwork:
    """Takes a millisecond for every prompt token that it computes, and two for every other one."""

    def __init__(self, name: str, answer: int = 7) -> None:
        self.name, self._answer = name, answer
        self.asked: list[tuple[tuple[int, ...], int, int]] = []

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        self.asked.append((tuple(prompt), count, known))
        trace = Trace(computed=len(prompt) - known)
        trace.tokens = [self._answer] * count
        trace.seconds = [(trace.computed + 2 * idx) / 1000 for idx in range(count)]
        return trace

    def crowd(self, prompts: Sequence[Sequence[int]], count: int, known: int) -> float:
        return len(prompts) * count / (900 if known else 500)

    def close(self) -> None:
        pass


def plan() -> Plan:
    return Plan(text=range(5000), context=600, new_tokens=5, repetitions=3, crowds=(1, 4))


def test_every_measure_is_taken_of_every_contender_in_its_unit() -> None:
    contenders = [Clockwork("midfill float32"), Clockwork("transformers float32")]
    found = measure(plan(), contenders)
    both = {each.name for each in contenders}
    assert found["first_token_ms"] == {
        64: dict.fromkeys(both, 64.0), 512: dict.fromkeys(both, 512.0),
        599: dict.fromkeys(both, 599.0),
    }  # fmt: skip
    assert found["extended_first_token_ms"][512] == dict.fromkeys(both, 1.0)
    assert found["extended_computed_tokens"][64] == dict.fromkeys(both, 1)
    assert found["ms_per_token"] == pytest.approx(dict.fromkeys(both, 2.0))
    assert found["completion_ms"] == pytest.approx(dict.fromkeys(both, 520.0))
    assert list(found["curve_ms_per_token"]) == [64, 256, 512, 595]
    assert found["crowd_tokens_per_s"][4] == pytest.approx(dict.fromkeys(both, 500.0))
    assert found["typing_crowd_tokens_per_s"][4] == pytest.approx(dict.fromkeys(both, 900.0))
    assert found["same_tokens"] == {"midfill float32": 3}


def test_contenders_are_asked_about_the_same_places_and_other_ones_each_time() -> None:
    first, second = Clockwork("a x"), Clockwork("b x")
    measure(plan(), [first, second])
    assert first.asked == second.asked
    prompts = {prompt for prompt, _, known in first.asked if len(prompt) == 64 and not known}
    assert len(prompts) == 4  # three repetitions and one that does not count
    assert {prompt[0] for prompt in prompts} == {0}


def test_texts_that_differ_from_the_reference_are_counted() -> None:
    ours = [Trace(0, tokens=[1, 2]), Trace(0, tokens=[1, 3])]
    theirs = [Trace(0, tokens=[1, 2]), Trace(0, tokens=[1, 2])]
    traces = {"midfill int8": ours, "midfill f": ours, "transformers f": theirs}
    assert agreement(traces) == {"midfill f": 1}


def test_table_and_plot_show_every_contender(tmp_path: Path) -> None:
    contenders = [Clockwork("midfill float32"), Clockwork("llama.cpp f32")]
    results = measure(plan(), contenders)
    results |= {"fresh": {"midfill float32": {"load_s": 0.5, "peak_mb": 280.0}}}
    results |= {"model": "starter", "threads": 2, "new_tokens": 5}
    names = [each.name for each in contenders]
    lines = table(results, names).splitlines()
    assert "| first token, 512 cold, ms | 512 | 512 |" in lines
    assert "| load, s | 0.50 |  |" in lines
    picture = tmp_path / "engine.svg"
    plot(results, names, picture)
    drawn = picture.read_text(encoding="utf-8")
    assert all(f"<!-- {name} -->" in drawn for name in names)


def test_llama_cpp_gets_a_context_for_every_slot_and_its_drafts() -> None:
    settings = LlamaSettings(Path("llama-server"), 1024, 2, 16, "ngram-mod")
    command = settings.command(Path("m.gguf"), 1)
    assert command[command.index("-c") + 1] == str(1024 * 16)
    assert command[-2:] == ["--spec-type", "ngram-mod"]
