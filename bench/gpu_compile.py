"""Compiles every Triton kernel of a step for GPUs that need not be here, and tells what came out.

    python bench/gpu_compile.py --capability 80 90 --kinds plain fp8 --rows 1 32
    python bench/gpu_compile.py --capability 89 --dtype float32 --head-dim 256

Shared memory, size of the machine code and the tensor-core instructions of each. The last line is
JSON. A kernel that the interpreter runs may still be none that compiles; and a row's sums stay
the same only while all numbers of rows are multiplied by the same instruction. fp8 is left out
where a GPU does not know it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gpu_models import SHAPES, RandomCheckpoint
from midfill_engine.errors import ModelError
from midfill_engine.exec.gpu_choice import choose_parts
from midfill_engine.exec.gpu_device import Device, check_kind
from midfill_engine.exec.graphs import step_inputs
from midfill_engine.exec.row_plan import NUM_FIELDS
from midfill_engine.model.gpu_decoder import GpuDecoder, slot_pages
from midfill_engine.model.gpu_weights import GpuKind, load_gpu_weights
from midfill_engine.model.kv_cache import KVCache
from midfill_engine.model.spec import ModelSpec

NAMES = {
    torch.float64: "fp64", torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16",
    torch.float8_e4m3fn: "fp8e4nv", torch.int8: "i8", torch.int32: "i32", torch.int64: "i64",
}  # fmt: skip
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NUM_PROCESSORS = 132
_PRODUCTS = re.compile(r"(?:wgmma\.mma_async|mma\.sync)\S*")


def compile_launch(kernel: Any, values: dict[str, Any], capability: int) -> dict[str, Any]:  # noqa: ANN401  # Triton's
    """Returns what a launch's kernel compiles to; `values` are its arguments and options."""
    from triton import compiler  # pyright: ignore[reportMissingTypeStubs]
    from triton.backends.compiler import GPUTarget  # pyright: ignore[reportMissingTypeStubs]

    signature: dict[str, str] = {}
    constants: dict[str, Any] = {}
    hints: dict[tuple[int, ...], list[list[Any]]] = {}
    for idx, parameter in enumerate(kernel.params):
        value = values.pop(parameter.name)
        free = parameter.do_not_specialize
        aligned = not (free or parameter.do_not_specialize_on_alignment)
        if parameter.is_constexpr or (isinstance(value, int) and value == 1 and not free):
            signature[parameter.name], constants[parameter.name] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[parameter.name] = f"*{NAMES[value.dtype]}"
            if aligned:
                hints[idx,] = [["tt.divisibility", 16]]
        elif isinstance(value, int):
            signature[parameter.name] = "i32" if abs(value) < 2**31 else "i64"
            if aligned and value % 16 == 0:
                hints[idx,] = [["tt.divisibility", 16]]
        else:
            signature[parameter.name] = "fp32"
    source = cast("Any", compiler).ASTSource(kernel, signature, constants, hints)
    target = cast("Any", GPUTarget)("cuda", capability, 32)
    made: Any = cast("Any", compiler).compile(source, target=target, options=values)
    return {
        "kernel": kernel.fn.__name__,
        "shared_bytes": made.metadata.shared,
        "code_bytes": len(made.asm["cubin"]),
        "products": sorted(set(_PRODUCTS.findall(made.asm["ptx"]))),
    }


def compile_step(
    spec: ModelSpec,
    kind: GpuKind,
    dtype: torch.dtype,
    num_rows: int,
    capability: int,
    kernels: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Returns what the launches of a step of `num_rows` rows compile to, each once.

    Only those of `kernels`, where that says which.
    """
    from triton.runtime.jit import JITFunction  # pyright: ignore[reportMissingTypeStubs]

    told: dict[str, dict[str, Any]] = {}

    def run(kernel: Any, *values: Any, grid: object, warmup: bool, **named: Any) -> None:  # noqa: ANN401  # Triton's
        del grid, warmup
        names = [parameter.name for parameter in kernel.params]
        launch = {**dict(zip(names, values, strict=False)), **named}
        key = f"{kernel.fn.__name__} {launch.get('NUM_INPUTS')} {launch.get('NUM_COLUMNS')}"
        if key not in told and (kernels is None or kernel.fn.__name__ in kernels):
            told[key] = compile_launch(kernel, launch, capability)

    launcher: Any = JITFunction
    launch_before: Any = launcher.run
    launcher.run = run
    try:
        _launch(spec, kind, dtype, num_rows, device_of(capability))
    finally:
        launcher.run = launch_before
    return list(told.values())


def _launch(
    spec: ModelSpec, kind: GpuKind, dtype: torch.dtype, num_rows: int, device: Device
) -> None:
    """Launches a step on tensors that have a shape and nothing else."""
    nowhere = device.place
    cache = KVCache(spec, 2, 512, dtype, nowhere)
    parts = choose_parts(spec, dtype, device, cache.max_len)
    decoder = GpuDecoder(
        spec,
        load_gpu_weights(spec, RandomCheckpoint(spec, nowhere, dtype), kind, dtype, nowhere),
        parts.operations,
        parts.attention,
        dtype=dtype,
        device=nowhere,
        max_len=cache.max_len,
    )
    table = torch.empty((NUM_FIELDS, num_rows), dtype=torch.int64, device=nowhere)
    pages = slot_pages(cache, nowhere)
    decoder.step(step_inputs(table, num_rows), decoder.reserve(num_rows), pages)


def device_of(capability: int) -> Device:
    """Returns a GPU that is not here."""
    return Device(torch.device("meta"), divmod(capability, 10), NUM_PROCESSORS)


def _knows(capability: int, kind: GpuKind) -> bool:
    try:
        check_kind(kind, device_of(capability))
    except ModelError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Prints and returns what every kernel compiles to."""
    options = _options(argv)
    config = dict(SHAPES[options.shape])
    if options.head_dim is not None:
        num_heads = config["hidden_size"] // options.head_dim
        config |= {"num_attention_heads": num_heads, "num_key_value_heads": num_heads}
    spec, dtype = ModelSpec.from_config(config), DTYPES[options.dtype]
    told: dict[str, Any] = {}
    for capability in options.capability:
        for kind in options.kinds:
            if not _knows(capability, kind):
                continue
            for num_rows in options.rows:
                name = f"sm_{capability} {kind} {num_rows} rows"
                told[name] = compile_step(spec, kind, dtype, num_rows, capability, options.kernels)
                print(name)
                for row in told[name]:
                    print("  {kernel}: shared {shared_bytes}, code {code_bytes}".format(**row))
    print(json.dumps(told))
    return told


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--shape", default="7b", choices=SHAPES)
    add("--head-dim", type=int, help="other than the shape's")
    add("--capability", type=int, nargs="+", default=[90])
    add("--kinds", nargs="+", choices=("plain", "fp8", "int8"), default=["plain", "fp8", "int8"])
    add("--dtype", default="bfloat16", choices=DTYPES, help="of what is not quantised")
    add("--rows", type=int, nargs="+", default=[1, 32])
    add("--kernels", nargs="+", metavar="NAME", help="only these")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
