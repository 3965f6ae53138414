"""How a memory budget is divided: never over the limit, as many slots as fit, or a clear error."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import pytest

from midfill_engine.errors import ModelError
from midfill_engine.exec.memory import (
    MAX_SLOTS,
    MB,
    WHOLE,
    MemoryNeeds,
    MemoryPart,
    available_bytes,
    plan_memory,
    process_bytes,
)
from midfill_engine.model.native_weights import weight_bytes
from midfill_engine.model.shapes import num_parameters
from midfill_engine.model.spec import ModelSpec
from tests.engine.tiny import tiny_config

SPEC = ModelSpec.from_config(tiny_config("llama-gqa"))


def test_a_limit_is_never_passed_and_used_as_far_as_whole_slots_go() -> None:
    rng = random.Random(3)
    for _ in range(300):
        slot, process = rng.randrange(1, 64) * MB, rng.randrange(300) * MB
        packed = rng.choice([None, MB])
        if packed is None:
            needs = MemoryNeeds.of(SPEC, slot, rng.choice([2, 4]))
        else:
            needs = MemoryNeeds.of_packed(SPEC, slot, packed)
        limit = rng.randrange(1, 3000) * MB
        try:
            plan = plan_memory(needs, process=process, limit=limit)
        except ModelError:
            assert process + needs.weights + slot + needs.reserve(1) > limit
            continue
        assert plan.total <= limit
        assert plan.total == plan.process + plan.weights + plan.cache + plan.reserve
        more = needs.reserve(plan.num_slots + 1) - plan.reserve + slot
        assert plan.num_slots == MAX_SLOTS or plan.total + more > limit


def test_the_error_names_a_size_that_does() -> None:
    needs = MemoryNeeds.of(SPEC, 10 * MB, 4)
    with pytest.raises(
        ModelError, match=r"--max-memory 100MB is too little: .* at least 3"
    ) as told:
        plan_memory(needs, process=200 * MB, limit=100 * MB)
    least = int(str(told.value).split("at least ")[1].split("MB")[0])
    # The next start's process is a little larger, or smaller.
    assert plan_memory(needs, process=208 * MB, limit=least * MB).num_slots == 1
    with pytest.raises(ModelError):
        plan_memory(needs, process=209 * MB, limit=least * MB)


def test_without_a_limit_the_cache_is_bounded() -> None:
    needs = MemoryNeeds.of(SPEC, 10 * MB, 4)
    assert plan_memory(needs, process=0, cache=35 * MB).num_slots == 3
    assert plan_memory(needs, process=0, cache=0).num_slots == 1
    assert plan_memory(needs, process=0).num_slots == MAX_SLOTS
    assert "no limit given" in plan_memory(needs, process=0).told(64)


def test_packing_takes_one_layer_more() -> None:
    wide = MemoryNeeds.of(SPEC, MB, 4)
    narrow = MemoryNeeds.of_packed(SPEC, MB, weight_bytes(SPEC, "int8"))
    assert wide.weights == wide.loading == 4 * num_parameters(SPEC)
    assert narrow.weights < wide.weights
    assert narrow.weights < narrow.loading < narrow.weights + wide.weights


def test_libraries_that_came_for_a_model_count_as_its_reserve() -> None:
    """Only where others were loaded before: the first model's process is measured with them."""
    plain = MemoryNeeds.of(SPEC, MB, 4)
    needs = replace(plain, libraries=150 * MB)
    assert needs.reserve(2) == plain.reserve(2) + 150 * MB
    limit = plan_memory(plain, process=0).total + 149 * MB
    assert plan_memory(plain, process=0, limit=limit).num_slots == MAX_SLOTS
    assert plan_memory(needs, process=0, limit=limit).num_slots < MAX_SLOTS
    before = process_bytes() - 5 * MB
    assert WHOLE.grown(before) == WHOLE
    assert MemoryPart(1.0, taken=MB).grown(before).libraries >= 4 * MB


def test_the_process_is_measured() -> None:
    assert process_bytes() > 20 * MB
    free = available_bytes()
    assert free is None or free > 0


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_control_group_leaves_less_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for left, expected in ((5 * MB, 5 * MB), (2**62, None), (None, None)):
        monkeypatch.setattr("midfill_engine.exec.memory.memory_left", lambda left=left: left)
        free = available_bytes()
        assert free is not None
        assert free == expected or (expected is None and 5 * MB < free < 2**50)
