"""Which caches of transformers are used: those that give what the whole text gives."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_engine.exec.build import Wanted
from midfill_engine.exec.load_runner import load_runner
from midfill_engine.exec.transformers_model import TransformersModel
from midfill_engine.exec.transformers_probe import cache_holds
from tests.engine.other_models import CONFIGS, WITHOUT_CACHE, other_model, write_other_model

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
REFUSED = [kind for kind in WITHOUT_CACHE if kind != "mamba2"]


def made(kind: str, dtype: torch.dtype) -> TransformersModel:
    return TransformersModel(other_model(kind).to(dtype), torch.device("cpu"))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", [kind for kind in CONFIGS if kind not in WITHOUT_CACHE])
def test_a_cache_that_is_right_is_used(kind: str, dtype: torch.dtype) -> None:
    """Bamba's was at position 0 in every step, as long as it was not told the positions."""
    assert cache_holds(made(kind, dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_cache_that_is_wrong_is_not(kind: str, dtype: torch.dtype) -> None:
    """Drafts, long prompts and reused prefixes changed Jamba's text."""
    assert not cache_holds(made(kind, dtype), dtype)


@pytest.mark.parametrize("kind", ["starcoder2", "jamba", "minimax"])
def test_nothing_is_left_behind(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(kind, torch.float32)
    caches: list[weakref.ref[Any]] = []
    new_cache = model.new_cache

    def noted() -> Any:  # noqa: ANN401  # untyped in transformers
        cache = new_cache()
        caches.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(model, "new_cache", noted)
    cache_holds(model, torch.float32)
    assert caches
    assert not any(cache() is not None for cache in caches)


@pytest.mark.parametrize(
    ("error", "raised"), [(RuntimeError("can't allocate memory"), True), (KeyError("x"), False)]
)
def test_out_of_memory_is_no_verdict(
    error: Exception, raised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made("phi", torch.float32)

    def fail() -> None:
        raise error

    monkeypatch.setattr(model, "new_cache", fail)
    if raised:
        with pytest.raises(RuntimeError, match="allocate"):
            cache_holds(model, torch.float32)
    else:
        assert not cache_holds(model, torch.float32)


def test_a_context_too_short_to_tell_goes_without() -> None:
    model = made("phi", torch.float32)
    model.longest = 11
    assert not cache_holds(model, torch.float32)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("bamba", "its cache cannot be cut"), *((kind, "no cache of it") for kind in WITHOUT_CACHE)],
)
def test_it_says_once_what_that_costs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, told: str
) -> None:
    write_other_model(tmp_path, kind)
    load_runner(str(tmp_path), Wanted(device="cpu", cache_bytes=2**20), 1)
    lines = [record.getMessage() for record in caplog.records if "slower" in record.getMessage()]
    assert len(lines) == 1
    assert told in lines[0]
