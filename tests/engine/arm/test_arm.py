"""The tests of the native decoder once more, with the library compiled for 64-bit ARM.

A selection of their cases, since an emulator takes its time.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_engine.kernels.build import SOURCES, Compiler, build
from midfill_engine.kernels.library import WEIGHT_KINDS, Library
from midfill_engine.model.native_cache import CacheKind
from midfill_engine.model.native_weights import WeightKind
from tests.engine import (
    test_native,
    test_native_ahead,
    test_native_int8_cache,
    test_native_rows,
    test_native_shapes,
)
from tests.engine.arm.remote import RemoteLibrary
from tests.engine.native_models import SHAPES

TOOLS = Path(__file__).resolve().parents[3] / ".venv/arm"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteLibrary]:
    """What the tests get in place of this machine's own library."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        pytest.skip("this machine is one itself, and the tests that are run again here run on it")
    compiler = TOOLS / "c++"
    if not compiler.exists():
        pytest.fail("there is no compiler for ARM: `make .venv/.arm` fetches it, or says why not")
    folder = tmp_path_factory.mktemp("arm")
    built = build(Compiler((str(compiler),), "", "aarch64"), folder)
    program, source = folder / "remote", Path(__file__).with_name("remote.cpp")
    options = ("-std=c++17", "-O1", "-iquote", str(SOURCES), "-Wl,-rpath,$ORIGIN")
    command = [str(compiler), *options, str(source), str(built), "-o", str(program)]
    subprocess.run(command, check=True)
    remote = RemoteLibrary([str(TOOLS / "run"), str(program)], folder / "shared")
    yield remote
    remote.close()


def test_every_instruction_set_is_there(library: Library) -> None:
    assert library.instruction_sets() == ("neondot", "neon", "portable")


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_logits_are_those_of_torch(library: Library, shape: str) -> None:
    test_native.test_float32_logits_are_those_of_torch(library, shape, 7)


@pytest.mark.parametrize("hidden_size", [32, 50, 256, 1056])
def test_an_int8_product_is_that_of_its_own_numbers(library: Library, hidden_size: int) -> None:
    test_native.test_an_int8_product_is_that_of_its_own_numbers(library, hidden_size)


@pytest.mark.parametrize("small", ["int6", "int4"])
@pytest.mark.parametrize(("hidden_size", "inner"), [(32, 64), (50, 90), (256, 1056)])
def test_a_product_of_few_bits_is_that_of_its_own_numbers(
    library: Library, hidden_size: int, inner: int, small: WeightKind
) -> None:
    test_native.test_a_product_of_few_bits_is_that_of_its_own_numbers(
        library, hidden_size, inner, small
    )


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("int8", "grouped"),
        ("int6", "odd-sizes"),
        ("int4", "odd-sizes"),
        ("bfloat16", "odd-sizes"),
        ("float32", "grouped"),
    ],
)
def test_a_row_does_not_depend_on_rows_or_threads(
    library: Library, kind: WeightKind, shape: str
) -> None:
    test_native_rows.test_a_row_does_not_depend_on_rows_or_threads(library, kind, shape)


@pytest.mark.parametrize("kind", WEIGHT_KINDS)
def test_sequences_of_one_step_do_not_see_each_other(library: Library, kind: WeightKind) -> None:
    test_native_rows.test_sequences_of_one_step_do_not_see_each_other(library, kind)


def test_only_the_rows_own_positions_are_written(library: Library) -> None:
    test_native_int8_cache.test_only_the_rows_own_positions_are_written(library)


def test_positions_behind_a_row_are_not_read(library: Library) -> None:
    test_native_int8_cache.test_positions_behind_a_row_are_not_read(library)


@pytest.mark.parametrize(
    ("kind", "cache"),
    [("float32", "float32"), ("bfloat16", "bfloat16"), ("int8", "int8"), ("int6", "int8")],
)
def test_random_shapes(library: Library, kind: WeightKind, cache: CacheKind) -> None:
    test_native_shapes.test_random_shapes(library, kind, cache)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_steps_in_one_call_make_what_steps_one_by_one_make(
    library: Library, kind: WeightKind
) -> None:
    test_native_ahead.test_they_make_what_steps_one_by_one_make(library, kind)
