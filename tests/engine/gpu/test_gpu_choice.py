"""Which parts run a model on a GPU, told from what a device says of itself."""

from __future__ import annotations

import sys
import types

import pytest
import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_choice import choose_parts, gpu_needs
from midfill_engine.exec.gpu_device import Device, check_kind, find_gpu, refusal
from midfill_engine.kernels import flash
from midfill_engine.kernels.gpu_interface import Groups, Pages
from midfill_engine.kernels.gpu_plain import PlainAttention
from midfill_engine.model.attention import Attention
from midfill_engine.model.gpu_decoder import MAX_ROWS
from midfill_engine.model.gpu_weights import GpuKind
from midfill_engine.model.shapes import num_parameters, slot_bytes
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import tiny_config

CPU = torch.device("cpu")
HOPPER = Device(CPU, (9, 0), 132)
QUANTISED: tuple[GpuKind, ...] = ("int8", "fp8")
SPEC = ModelSpec.from_config(tiny_config("llama-gqa"))


def test_what_cannot_be_run() -> None:
    mixture = ModelSpec.from_config(tiny_config("mixtral"))
    assert refusal(mixture, HOPPER) == "a mixture of experts"
    assert refusal(SPEC, Device(CPU, (7, 5), 40)) == "compute capability 7.5, below 8.0"
    assert find_gpu("auto", SPEC, CPU) == "on cpu"


def test_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "midfill_engine.kernels.triton_step", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "Triton cannot be loaded" in str(refusal(SPEC, HOPPER))


def test_fp8_needs_a_gpu_that_knows_it() -> None:
    check_kind("fp8", HOPPER)
    check_kind("int8", Device(CPU, (8, 0), 108))
    with pytest.raises(ModelError, match=r"8\.9 or more, this one has 8\.0; use --dtype int8"):
        check_kind("fp8", Device(CPU, (8, 0), 108))


@pytest.mark.parametrize(
    ("capability", "pdl", "roomy"),
    [
        ((8, 0), False, True),
        ((8, 6), False, False),
        ((8, 9), False, False),
        ((9, 0), True, True),
        ((10, 0), True, True),
        ((10, 3), True, True),
        ((12, 0), True, False),
    ],
)
def test_what_a_device_can(capability: tuple[int, int], pdl: bool, roomy: bool) -> None:
    pytest.importorskip("triton", reason="Triton is for Linux")
    device = Device(CPU, capability, 80)
    assert (device.has_dependent_launch, device.is_roomy) == (pdl, roomy)
    parts = choose_parts(SPEC, torch.bfloat16, device, 64)
    for part in (parts.operations, parts.attention):
        assert vars(part)["_pdl"] is pdl
    assert vars(parts.operations)["_roomy"] is roomy


@pytest.mark.parametrize("max_len", [64, 8192])
def test_what_steps_write_is_planned(max_len: int) -> None:
    """Logits, attention's pieces and a dense layer were in no plan, so that a limit was passed."""
    pytest.importorskip("triton", reason="Triton is for Linux")
    attention = choose_parts(SPEC, torch.bfloat16, HOPPER, max_len).attention
    scratch = sum(part.nbytes for part in vars(attention).values() if torch.is_tensor(part))
    logits = MAX_ROWS * SPEC.vocab_size * 4
    plain = gpu_needs(SPEC, "plain", torch.bfloat16, max_len)
    assert scratch + logits <= plain.buffers + 2**12
    assert plain.loading == plain.weights
    for kind in QUANTISED:
        needs = gpu_needs(SPEC, kind, torch.bfloat16, max_len)
        quantising = needs.loading - needs.weights
        assert quantising > num_parameters(SPEC) // SPEC.num_layers * 2  # a dense layer
        assert needs.buffers == plain.buffers + quantising
        assert needs.reserve(3) - plain.reserve(3) == quantising
        assert needs.slot == plain.slot == slot_bytes(SPEC, max_len, 2)


def fake_version(name: str) -> str:
    return {"flash_attn": "2.8.3"}[name]


def fake_flash(calls: list[dict[str, object]]) -> types.ModuleType:
    """A flash-attn whose function is the plain reference, called as the package documents it."""

    def flash_attn_with_kvcache(
        q: torch.Tensor,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        *,
        cache_seqlens: torch.Tensor | int,
        cache_batch_idx: torch.Tensor | None = None,
        softmax_scale: float,
        causal: bool,
        window_size: tuple[int, int],
        num_splits: int = 0,
    ) -> torch.Tensor:
        calls.append({"num_splits": num_splits, "shape": tuple(q.shape)})
        assert causal
        batch, num_queries, _, _ = q.shape
        slots = torch.arange(batch) if cache_batch_idx is None else cache_batch_idx
        ends = (
            torch.full((batch,), cache_seqlens) if isinstance(cache_seqlens, int) else cache_seqlens
        )
        out = torch.zeros_like(q)
        for row in range(batch):
            slot, end = int(slots[row]), int(ends[row])
            used = min(num_queries, end)
            keys, values = (part[slot].transpose(0, 1)[None] for part in (k_cache, v_cache))
            pages = Pages(
                keys.contiguous(), values.contiguous(), torch.zeros(1, 1, dtype=torch.int32)
            )
            one = torch.ones(1, dtype=torch.int64)
            groups = Groups(one * 0, one * 0, one * used, one * end)
            left = window_size[0]
            got = torch.zeros(used, q.shape[2] * q.shape[3], dtype=q.dtype)
            PlainAttention().attend(
                q[row, num_queries - used :], pages, groups, None if left < 0 else left + 1,
                softmax_scale, got,
            )  # fmt: skip
            out[row, num_queries - used :] = got.view(used, *q.shape[2:])
        return out

    module = types.ModuleType("flash_attn")
    vars(module)["flash_attn_with_kvcache"] = flash_attn_with_kvcache
    return module


def test_flash_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="Triton is for Linux")
    with pytest.raises(ModelError, match="flash is not possible: flash-attn is not installed"):
        choose_parts(SPEC, torch.bfloat16, HOPPER, 64, "flash")
    with pytest.raises(ModelError, match="attention 'fast' is unknown; use auto, triton, flash"):
        choose_parts(SPEC, torch.bfloat16, HOPPER, 64, "fast")
    assert choose_parts(SPEC, torch.bfloat16, HOPPER, 64).prompt_attention is Attention
    monkeypatch.setitem(sys.modules, "flash_attn", fake_flash([]))
    monkeypatch.setattr("importlib.metadata.version", fake_version)
    auto = choose_parts(SPEC, torch.bfloat16, HOPPER, 64)
    assert (auto.attention.name, auto.attention.exact) == ("triton split-KV", True)
    assert auto.prompt_attention_name == "flash-attn 2.8.3"
    asked = choose_parts(SPEC, torch.bfloat16, HOPPER, 64, "flash").attention
    assert (asked.name, asked.exact) == ("flash-attn 2.8.3", False)
    with pytest.raises(ModelError, match="flash-attn knows no float32"):
        choose_parts(SPEC, torch.float32, HOPPER, 64, "flash")


@pytest.mark.parametrize("window", [None, 5])
def test_flash_is_called_right(window: int | None) -> None:
    """Groups, padding and lengths against the reference, steps and prompts alike."""
    calls: list[dict[str, object]] = []
    call = fake_flash(calls).flash_attn_with_kvcache
    generator = torch.Generator().manual_seed(2)
    keys, values = (torch.randn(4, 2, 40, 8, generator=generator) for _ in "kv")
    pages = Pages(keys, values, torch.arange(4, dtype=torch.int32)[:, None])
    groups = Groups(*(torch.tensor(part) for part in ([3, 1, 0], [0, 2, 0], [2, 3, 0], [9, 40, 0])))
    query = torch.randn(6, 4, 8, generator=generator)
    found, expected = (torch.zeros(6, 32) for _ in "ab")
    flash.FlashAttention(call, "2.8.3").attend(query, pages, groups, window, 0.3, found)
    PlainAttention().attend(query, pages, groups, window, 0.3, expected)
    torch.testing.assert_close(found, expected)
    assert calls[0]["shape"] == (3, 16, 4, 8)
    # One-byte weights take float16 beside bfloat16: once no model of theirs could start.
    wide = Pages(keys.bfloat16(), values.bfloat16(), pages.table)
    kept = torch.zeros(6, 32, dtype=torch.float16)
    attention = flash.FlashAttention(call, "2.8.3")
    attention.attend(query.bfloat16(), wide, groups, window, 0.3, kept)
    torch.testing.assert_close(kept.float(), expected, rtol=0.05, atol=0.05)
    wide.values.copy_(values * 1e7)
    attention.attend(query.bfloat16(), wide, groups, window, 0.3, kept)
    assert kept.abs().max() == 65504
    prompt = torch.randn(7, 4, 8, generator=generator)
    attended = flash.FlashPrefill(call, 12, 7, 0.3, CPU)(prompt, keys[2], values[2], window)
    sdpa = Attention(12, 7, 0.3, CPU)(prompt, keys[2], values[2], window)
    torch.testing.assert_close(attended, sdpa, rtol=1e-4, atol=1e-4)
