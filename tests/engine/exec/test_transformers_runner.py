"""Architectures that transformers runs: its greedy text, prefix reuse, batches, and failures."""

from __future__ import annotations

import builtins
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_engine.errors import EngineError, ModelError
from midfill_engine.exec.build import Wanted
from midfill_engine.exec.load_runner import load_runner
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.transformers_model import TransformersModel
from midfill_engine.exec.transformers_runner import TransformersRunner
from midfill_engine.exec.work import Work
from tests.engine.other_models import CONFIGS, UNCUT, generated, write_other_model
from tests.engine.tiny import write_tiny_model

GREEDY = SamplingParams()


@pytest.fixture(scope="module")
def load(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], tuple[TransformersRunner, Any]]:
    @cache
    def loaded(kind: str) -> tuple[TransformersRunner, Any]:
        folder = tmp_path_factory.mktemp("other") / kind
        model = write_other_model(folder, kind)
        runner = load_runner(str(folder), Wanted(device="cpu", cache_bytes=2**23), 1)
        assert isinstance(runner, TransformersRunner)
        return runner, model

    return loaded


Load = Callable[[str], tuple[TransformersRunner, Any]]


class Text:
    """One sequence in a slot, advanced by hand as `runtime` would."""

    def __init__(self, slot: int, prompt: Sequence[int], cached: int = 0) -> None:
        self.slot, self.prompt, self.computed = slot, list(prompt), cached
        self.generated: list[int] = []

    def work(self) -> Work:
        text = [*self.prompt, *self.generated]
        return Work(
            slot=self.slot,
            token_ids=text[self.computed :],
            start=self.computed,
            sampling=GREEDY,
            prompt_ids=self.prompt,
            generated_ids=self.generated,
        )

    def take(self, token_id: int) -> None:
        self.computed = len(self.prompt) + len(self.generated)
        self.generated.append(token_id)


def advance(runner: TransformersRunner, texts: Sequence[Text], count: int) -> None:
    for _ in range(count):
        for text, tokens in zip(texts, runner.run([t.work() for t in texts]), strict=True):
            text.take(tokens[0].token_id)


def prompt_of(seed: int, length: int) -> list[int]:
    rng = random.Random(seed)
    return [1, *(rng.randrange(3, 500) for _ in range(length - 1))]


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_greedy_text_prefix_reuse_and_batches(load: Load, kind: str) -> None:
    """Texts longer than the sliding window of 16; slots that take over parts of each other."""
    runner, model = load(kind)
    first, second = prompt_of(1, 40), prompt_of(2, 23)
    together = [Text(0, first), Text(1, second)]
    advance(runner, together, 9)
    assert together[0].generated == generated(model, first, 9)
    assert together[1].generated == generated(model, second, 9)
    assert len({*together[0].generated, *together[1].generated}) > 4

    changed = [*first[:29], 7, 8]  # typed over the end, in the same slot
    again = Text(0, changed, cached=29)
    runner.copy_prefix(1, 2, 12)
    branched = [*second[:12], 9]
    branch = Text(2, branched, cached=12)
    longer = [*second, *together[1].generated, 11]
    runner.copy_prefix(1, 3, together[1].computed)
    whole = Text(3, longer, cached=together[1].computed)
    texts = [again, branch, whole]
    advance(runner, texts, 4)
    for text in texts:
        assert text.generated == generated(model, text.prompt, 4)


@pytest.mark.parametrize("kind", ["starcoder2", *UNCUT])
def test_a_prompt_of_several_chunks(load: Load, kind: str) -> None:
    """Jamba forgot what was before the last chunk, and Bamba where that chunk is."""
    runner, model = load(kind)
    prompt = prompt_of(6, 300)
    for start in (0, 128):
        runner.run([Work(slot=0, token_ids=prompt[start : start + 128], start=start)])
    text = Text(0, prompt, cached=256)
    advance(runner, [text], 4)
    assert text.generated == generated(model, prompt, 4)

    changed = Text(0, [*prompt[:280], 7, 8], cached=280)  # what cannot be cut is run again
    advance(runner, [changed], 4)
    assert changed.generated == generated(model, changed.prompt, 4)


def test_without_a_cache_nothing_is_computed_that_nobody_asked_for(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, _ = load("jamba")
    lengths: list[int] = []
    logits = TransformersModel.logits

    def noted(model: TransformersModel, ids: list[int], *rest: Any) -> torch.Tensor:  # noqa: ANN401
        lengths.append(len(ids))
        return logits(model, ids, *rest)

    monkeypatch.setattr(TransformersModel, "logits", noted)
    prompt = prompt_of(6, 300)
    assert runner.run([Work(slot=0, token_ids=prompt[:256], start=0)]) == [[]]
    advance(runner, [Text(0, prompt, cached=256)], 1)
    assert lengths == [300]


@pytest.mark.parametrize("kind", ["starcoder2", *UNCUT])
def test_drafts_are_taken_back(load: Load, kind: str) -> None:
    runner, model = load(kind)
    prompt = prompt_of(3, 20)
    right = generated(model, prompt, 12)
    text = Text(0, prompt)
    rng = random.Random(0)
    while len(text.generated) < 8:
        at = len(text.generated)
        drafts = [token if rng.random() < 0.7 else 5 for token in right[at : at + 4]]
        plain = text.work()
        work = Work(
            slot=0,
            token_ids=[*plain.token_ids, *drafts],
            start=plain.start,
            num_drafts=len(drafts),
            sampling=GREEDY,
            prompt_ids=prompt,
            generated_ids=list(text.generated),
        )
        for token in runner.run([work])[0]:
            text.take(token.token_id)
    assert text.generated == right[: len(text.generated)]


@pytest.mark.parametrize("kind", ["gemma2", "falcon_h1"])
def test_a_step_that_failed_may_be_run_again(load: Load, kind: str) -> None:
    """The forward fails half-way, after it has written to its cache."""
    runner, model = load(kind)
    prompt = prompt_of(4, 30)
    text = Text(0, prompt)
    advance(runner, [text], 5)
    layer: torch.nn.Module = model.model.layers[0]
    loaded: Any = runner._model._model  # pyright: ignore[reportPrivateUsage]  # to break it
    broken: torch.nn.Module = loaded.model.layers[-1]
    assert type(layer) is type(broken)

    def fail(*_args: object) -> None:
        raise EngineError("broken")

    handle = broken.register_forward_hook(fail)
    with pytest.raises(EngineError, match="broken"):
        runner.run([text.work()])
    handle.remove()
    advance(runner, [text], 5)
    assert text.generated == generated(model, prompt, 10)


def test_what_it_tells(load: Load) -> None:
    runner, model = load("granite")
    told = runner.describe()
    assert told["architecture"] == "GraniteForCausalLM"
    assert told["kernels"] == "transformers (slower)"
    assert told["parameters"] == sum(p.numel() for p in model.parameters())
    assert (runner.vocab_size, runner.max_total_tokens, runner.exact) == (512, 512, False)
    assert runner.memory.slot == 512 * 2 * 2 * 2 * 12 * 4  # layers, keys and values, heads, dim


def test_it_says_once_that_it_is_slower(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_other_model(tmp_path, "phi")
    load_runner(str(tmp_path), Wanted(device="cpu", cache_bytes=2**20), 1)
    told = [record.getMessage() for record in caplog.records if "slower" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("PhiForCausalLM runs in transformers' own code")


def test_the_llama_family_stays_on_our_own_code(tmp_path: Path) -> None:
    write_tiny_model(tmp_path, "llama")
    assert isinstance(load_runner(str(tmp_path), Wanted(device="cpu", cache_bytes=0), 1), Runner)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_other_model(tmp_path, "phi")
    plain = Wanted(device="cpu")
    for options, told in (
        ({"kernels": "native"}, "--kernels native is not possible"),
        ({"dtype": "int8"}, "--dtype int8 is not possible"),
        (
            {"max_total_tokens": 513},
            "--max-context 513 is outside the model's context of 512 tokens",
        ),
        ({"dtype": "fp8"}, "--dtype fp8 is not possible"),
        ({"max_memory": 2**20}, "--max-memory 1MB is too little"),
    ):
        with pytest.raises(ModelError, match=told):
            load_runner(str(tmp_path), replace(plain, **options))  # pyright: ignore[reportArgumentType]  # mixed values

    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # passed on
        if name == "transformers":
            raise ModuleNotFoundError("No module named 'transformers'", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError, match=r"pip install 'midfill\[transformers\]'"):
        load_runner(str(tmp_path), plain)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "nobody-knows", "architectures": ["Nobody"]}, "cannot load it"),
        (
            {
                "model_type": "own",
                "architectures": ["Own"],
                "auto_map": {"AutoConfig": "configuration.Own", "AutoModelForCausalLM": "m.Own"},
            },
            "code of a model is never run",
        ),
        ({"vocab_size": "x"}, "cannot load it"),
        ({"num_hidden_layers": 3}, "lacks model.layers.2."),
    ],
    ids=["unknown", "own code", "broken", "missing weights"],
)
def test_folders_that_transformers_cannot_load(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    write_other_model(tmp_path, "phi")
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **change}), encoding="utf-8")
    (tmp_path / "configuration.py").write_text("raise SystemExit('run')\n", encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        load_runner(str(tmp_path), Wanted(device="cpu"))
