"""The runner as `runtime` uses it: plain integers, slots, typed errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_engine.errors import DeviceLost, ModelError, OutOfMemory
from midfill_engine.exec import step_errors
from midfill_engine.exec.runner import Runner
from midfill_engine.exec.sampling_params import SampledToken, SamplingParams
from midfill_engine.exec.threads import num_threads, set_threads
from midfill_engine.exec.work import Work
from midfill_engine.kernels.library import Library
from midfill_engine.model.decoder import Decoder
from midfill_engine.model.native import NativeDecoder, open_library
from tests.engine.native_models import library_or_skip
from tests.engine.tiny import tiny_config, tiny_reference, write_tiny_model

PROMPT = [1, 40, 41, 300, 310, 77, 78, 79, 200, 201, 202]
GREEDY = SamplingParams()
KERNELS = ("native", "torch") if isinstance(open_library(), Library) else ("torch",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"), "llama-gqa")


@pytest.fixture(scope="module", params=KERNELS)
def runner(folder: Path, request: pytest.FixtureRequest) -> Runner:
    kernels: str = request.param
    return Runner.load(
        str(folder),
        device="cpu",
        dtype="float32",
        kernels=kernels,
        max_total_tokens=64,
        cache_bytes=2**21,
    )


def step(
    runner: Runner,
    slot: int,
    token_ids: Sequence[int],
    start: int,
    sampling: SamplingParams,
    prompt_ids: Sequence[int],
    generated_ids: Sequence[int],
) -> SampledToken:
    """The token behind `token_ids` of one slot."""
    work = Work(slot, token_ids, start, 0, sampling, prompt_ids, generated_ids)
    return runner.run([work])[0][0]


def prefill(runner: Runner, slot: int, token_ids: Sequence[int], start: int) -> None:
    """Writes keys and values only."""
    runner.run([Work(slot, token_ids, start)])


def generate(
    runner: Runner, slot: int, token_ids: Sequence[int], start: int, sampling: SamplingParams
) -> list[int]:
    """Twelve tokens after PROMPT, of which [0, start) is in the slot."""
    generated: list[int] = []
    chunk = list(token_ids)
    for _ in range(12):
        token = step(runner, slot, chunk, start, sampling, PROMPT, generated)
        generated.append(token.token_id)
        start += len(chunk)
        chunk = [token.token_id]
    return generated


def test_steps_equal_transformers(runner: Runner) -> None:
    expected = tiny_reference("llama-gqa").generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.int64),
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    assert generate(runner, 0, PROMPT, 0, GREEDY) == expected[0, len(PROMPT) :].tolist()


@pytest.mark.parametrize("sampling", [GREEDY, SamplingParams(temperature=1.0, seed=5)])
def test_chunks_and_copied_prefix_change_nothing(runner: Runner, sampling: SamplingParams) -> None:
    expected = generate(runner, 0, PROMPT, 0, sampling)
    runner.run([Work(1, PROMPT[:4], 0)])
    prefill(runner, 1, PROMPT[4:6], 4)
    assert generate(runner, 1, PROMPT[6:], 6, sampling) == expected
    runner.copy_prefix(1, 2, 8)
    assert generate(runner, 2, PROMPT[8:], 8, sampling) == expected


def test_sizes(runner: Runner, folder: Path) -> None:
    assert (runner.num_slots, runner.max_total_tokens, runner.vocab_size) == (32, 64, 512)
    config = tiny_config("llama-gqa")
    slot = 2 * 3 * config["num_key_value_heads"] * config["head_dim"] * 64 * 4
    asked: dict[str, Any] = {"device": "cpu", "max_total_tokens": 64, "cache_bytes": slot * 3 + 1}
    assert Runner.load(str(folder), dtype="float32", **asked).num_slots == 3
    if "native" in KERNELS:
        halves = Runner.load(str(folder), dtype="int8", cache_dtype="bfloat16", **asked)
        assert halves.num_slots == 6
        # Heads of 16 are padded to 32, and have a scale: 36 bytes, 64 in float32.
        assert Runner.load(str(folder), dtype="int8", **asked).num_slots == 5
    small = Runner.load(str(folder), device="cpu", cache_bytes=0)
    assert (small.num_slots, small.max_total_tokens) == (1, 512)


def test_threads(folder: Path) -> None:
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            Runner.load(str(folder), device="cpu", max_total_tokens=64, num_threads=count)
            assert num_threads() == count
            Runner.load(str(folder), device="cpu", kernels="torch", num_threads=count)
            assert torch.get_num_threads() == count
    finally:
        set_threads(None)
        torch.set_num_threads(before)


def test_describe(folder: Path) -> None:
    plain = Runner.load(str(folder), device="cpu", kernels="torch", cache_bytes=0)
    assert not plain.exact
    assert plain.describe() == {
        "architecture": "LlamaForCausalLM",
        "parameters": tiny_reference("llama-gqa").num_parameters(),
        "dtype": "float32",
        "dtype_reason": "auto: the device's own",
        "device": "cpu",
        "attention": "grouped+sdpa",
        "kernels": "torch (asked for)",
    }


@pytest.mark.skipif("native" not in KERNELS, reason="the library cannot be had here")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "int6", "int4"])
def test_native_kernels_tell_what_they_are(folder: Path, dtype: str) -> None:
    native = Runner.load(str(folder), device="cpu", dtype=dtype, kernels="native", cache_bytes=0)
    told = native.describe()
    assert native.exact
    cache = dtype if dtype in ("float32", "bfloat16") else "int8"
    assert (told["dtype"], told["attention"]) == (dtype, f"native, {cache} cache")
    assert told["dtype_reason"] == "asked for"
    assert str(told["kernels"]).startswith("native ")
    assert len(generate(native, 0, PROMPT, 0, GREEDY)) == 12


@pytest.mark.skipif("native" not in KERNELS, reason="the library cannot be had here")
def test_keys_with_biases_keep_bfloat16(tmp_path: Path) -> None:
    write_tiny_model(tmp_path, "llama")
    native = Runner.load(str(tmp_path), device="cpu", dtype="int8", cache_bytes=0)
    assert native.describe()["attention"] == "native, bfloat16 cache"


@pytest.mark.skipif("native" not in KERNELS, reason="the library cannot be had here")
@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("cache", ["float32", "bfloat16", "int8"])
def test_keys_and_values_are_kept_as_asked(folder: Path, dtype: str, cache: str) -> None:
    native = Runner.load(
        str(folder), device="cpu", dtype=dtype, cache_dtype=cache, kernels="native", cache_bytes=0
    )
    assert native.describe()["attention"] == f"native, {cache} cache"
    assert len(generate(native, 0, PROMPT, 0, GREEDY)) == 12


@pytest.mark.skipif("native" not in KERNELS, reason="the library cannot be had here")
def test_the_default_dtype_is_the_fastest_that_costs_little(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """int6 where it was seen to be fastest, int8 on ARM, float32 without their instructions."""
    monkeypatch.setenv("MIDFILL_CPU_ISA", "portable")
    told = Runner.load(str(folder), device="cpu", cache_bytes=0).describe()
    assert (told["dtype"], told["dtype_reason"]) == ("float32", "auto: the fastest on portable")
    monkeypatch.setenv("MIDFILL_CPU_ISA", "")
    best = library_or_skip().instruction_sets()[0]
    told = Runner.load(str(folder), device="cpu", cache_bytes=0).describe()
    if best != "portable":
        reason = f"auto: the fastest on {best} that costs at most 0.005 nats a token"
        kind = "int8" if best.startswith("neon") else "int6"
        assert (told["dtype"], told["dtype_reason"]) == (kind, reason)
    monkeypatch.setenv("MIDFILL_CPU_ISA", "mmx")
    with pytest.raises(ModelError, match="MIDFILL_CPU_ISA is 'mmx'; here it can be"):
        Runner.load(str(folder), device="cpu", cache_bytes=0)


def test_from_parts() -> None:
    model = tiny_reference("tied")
    tensors = dict(model.state_dict())
    del tensors["lm_head.weight"]
    runner = Runner.from_parts(tiny_config("tied"), tensors)
    with torch.no_grad():
        logits = model(torch.tensor([PROMPT])).logits[0, -1]
    assert step(runner, 0, PROMPT, 0, GREEDY, PROMPT, []).token_id == int(logits.argmax())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"device": "cuda:x"}, "device 'cuda:x' is unknown"),
        ({"device": "cpu", "dtype": "int3"}, "dtype 'int3' is unknown"),
        ({"device": "cpu", "kernels": "fast"}, "kernels 'fast' is unknown; use auto, native"),
        (
            {"device": "cpu", "kernels": "native", "dtype": "float16"},
            "--kernels native is not possible: no native float16",
        ),
        (
            {"device": "cpu", "kernels": "torch", "dtype": "int8"},
            r"int8 needs kernels of our own \(asked for\)",
        ),
        ({"device": "cpu", "dtype": "fp8"}, r"dtype fp8 needs the GPU kernels \(on cpu\)"),
        (
            {"device": "cpu", "kernels": "torch", "cache_dtype": "int8"},
            r"--cache-dtype int8 needs the CPU kernels \(asked for\); use --cache-dtype auto",
        ),
        ({"device": "cpu", "attention": "flash"}, r"--attention flash needs the GPU kernels"),
        (
            {"device": "cpu", "kernels": "torch", "dtype": "int4"},
            r"int4 needs kernels of our own \(asked for\); use --dtype auto",
        ),
        (
            {"device": "cpu", "kernels": "torch", "dtype": "int6"},
            r"int6 needs kernels of our own \(asked for\); use --dtype auto",
        ),
        (
            {"device": "cpu", "max_total_tokens": 513},
            "--max-context 513 is outside the model's context of 512 tokens",
        ),
        ({"device": "cpu", "max_total_tokens": 0}, "--max-context 0 is outside"),
    ],
)
def test_bad_options(folder: Path, options: dict[str, str | int], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        Runner.load(str(folder), **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # mixed values


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_cuda_without_a_gpu(folder: Path) -> None:
    with pytest.raises(ModelError, match="finds no CUDA GPU; use --device cpu"):
        Runner.load(str(folder), device="cuda")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_out_of_memory_is_typed_and_ends_one_step(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> torch.Tensor:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "forward", fail)
        patch.setattr(NativeDecoder, "step", fail)
        with pytest.raises(OutOfMemory, match="computing 11 tokens; shorten the prompt"):
            step(runner, 0, PROMPT, 0, GREEDY, PROMPT, [])
        with pytest.raises(OutOfMemory):
            prefill(runner, 0, PROMPT, 0)
    assert len(generate(runner, 0, PROMPT, 0, GREEDY)) == 12


def test_a_lost_gpu_is_typed(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its errors were taken for one request's, and every later request met them again."""

    def fail(*_: object, **__: object) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    def is_lost(device: str) -> bool:
        return device == "cpu"

    monkeypatch.setattr(step_errors, "is_lost", is_lost)
    monkeypatch.setattr(Decoder, "forward", fail)
    monkeypatch.setattr(NativeDecoder, "step", fail)
    with pytest.raises(DeviceLost, match="unspecified launch failure"):
        prefill(runner, 0, PROMPT, 0)


def test_other_errors_pass_through(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> torch.Tensor:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Decoder, "forward", fail)
    monkeypatch.setattr(NativeDecoder, "step", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        prefill(runner, 0, PROMPT, 0)


def test_too_large_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_reference("codellama")

    def fail(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    def fail_natively(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("midfill_engine.exec.torch_build.KVCache", fail)
    monkeypatch.setattr("midfill_engine.exec.build.NativeCache", fail_natively)
    for kernels in KERNELS:
        with pytest.raises(ModelError, match="in float32 and a context of 512 do not fit"):
            Runner.from_parts(tiny_config("codellama"), model.state_dict(), kernels=kernels)


def test_a_step_of_several_sequences_is_each_ones_own(runner: Runner) -> None:
    """Exactly so on the native kernels; the chosen tokens in any case."""
    prompts = [PROMPT[: 3 + idx] for idx in range(8)]
    samplings = [SamplingParams(temperature=idx % 2 * 0.9, seed=idx) for idx in range(8)]
    works = [
        Work(idx, prompt, 0, 0, sampling, prompt)
        for idx, (prompt, sampling) in enumerate(zip(prompts, samplings, strict=True))
    ]
    works.insert(4, Work(20, PROMPT, 0))
    together = runner.run(works)
    assert together.pop(4) == []
    for idx, (prompt, sampling) in enumerate(zip(prompts, samplings, strict=True)):
        alone = step(runner, 30, prompt, 0, sampling, prompt, [])
        found = together[idx][0]
        assert found.token_id == alone.token_id
        assert found.logprob == (alone.logprob if runner.exact else pytest.approx(alone.logprob))


def test_right_drafts_stand_and_wrong_ones_fall(runner: Runner) -> None:
    answer = generate(runner, 0, PROMPT, 0, GREEDY)
    drafts = [*answer[:3], answer[3] + 1, answer[4]]
    work = Work(1, [*PROMPT, *drafts], 0, len(drafts), GREEDY, PROMPT)
    chosen = [token.token_id for token in runner.run([work])[0]]
    assert chosen == answer[:4]
    rest = step(runner, 1, [answer[3]], len(PROMPT) + 3, GREEDY, PROMPT, answer[:4])
    assert rest.token_id == answer[4], "what the wrong draft left behind was overwritten"


def test_a_prompts_logprobs_are_transformers(runner: Runner) -> None:
    """In chunks, the last one with drafts behind it, beside another sequence."""
    with torch.no_grad():
        logits = tiny_reference("llama-gqa")(torch.tensor([PROMPT])).logits[0]
    expected = torch.log_softmax(logits.double(), -1)
    parts = [(0, 4), (4, 5), (5, len(PROMPT))]
    found: list[SampledToken] = []
    answer = generate(runner, 0, PROMPT, 0, GREEDY)
    for start, end in parts:
        last = end == len(PROMPT)
        drafts = answer[:2] if last else []
        work = Work(
            slot=1,
            token_ids=[*PROMPT[start:end], *drafts],
            start=start,
            num_drafts=len(drafts),
            sampling=GREEDY if last else None,
            prompt_ids=PROMPT,
            scored_ids=PROMPT[start + 1 : end + 1],
            top_n=2,
        )
        found += runner.run([work, Work(2, PROMPT[:3], 0)])[0]
    scored, chosen = found[: len(PROMPT) - 1], found[len(PROMPT) - 1 :]
    assert [token.token_id for token in scored] == PROMPT[1:]
    for idx, token in enumerate(scored):
        assert token.logprob == pytest.approx(float(expected[idx, token.token_id]), abs=2e-4)
        likeliest = [int(one) for one in expected[idx].topk(2).indices]
        assert [one.token_id for one in token.top] == likeliest
    assert [token.token_id for token in chosen] == answer[:3]
    assert chosen[0].top[0].token_id == answer[0]


def test_native_logits_are_torchs(folder: Path) -> None:
    """Through the whole runner: log-probabilities within 2e-4."""
    if "native" not in KERNELS:
        pytest.skip("the library cannot be had here")
    tokens = [
        step(
            Runner.load(str(folder), device="cpu", dtype="float32", kernels=kernels, cache_bytes=0),
            0,
            PROMPT,
            0,
            SamplingParams(temperature=1.0, seed=1),
            PROMPT,
            [],
        )
        for kernels in ("native", "torch")
    ]
    assert tokens[0].token_id == tokens[1].token_id
    assert tokens[0].logprob == pytest.approx(tokens[1].logprob, abs=2e-4)
