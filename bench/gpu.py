"""The GPU engine: kernels against torch, then its speed beside transformers and gpt-fast.

    python bench/gpu.py --out gpu.json                              # everything, 7B
    python bench/gpu.py --part check decode --shape 13b --kinds plain fp8
    python bench/gpu.py --part gpt-fast --gpt-fast DIR
    python bench/gpu.py --device cpu --shape tiny                   # does it run at all

Exact shapes of Code Llama with random weights, made on the GPU. Parts, each under ten minutes:
`compile` (for GPUs that need not be here), `check`, `decode` (ms per token and share of the
measured copy bandwidth), `first` (first token, cold and with a reused prompt), `clients` (16 and 64
at once), `transformers` and `gpt-fast` (in processes of their own; the latter only where --gpt-fast
says where it is). Whatever was measured is in --out after every part; the last line of stdout is
the same JSON. On the CPU the figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import gpu_compile, gpu_parts
from bench.gpu_models import SHAPES, Bench, build
from bench.gpu_parts import CHUNK
from midfill_engine.exec.gpu_choice import ATTENTIONS
from midfill_engine.model.gpu_weights import GpuKind

PARTS = ("compile", "check", "decode", "first", "clients", "transformers", "gpt-fast")
ROWS = (1, 4, 8, 16)
COPY_BYTES = 2**32


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs the parts; prints and returns what they told."""
    options = _options(argv)
    device = torch.device(options.device)
    told: dict[str, Any] = {"shape": options.shape, "device": _name(device), **_versions()}
    parts: dict[str, Callable[[argparse.Namespace, torch.device], Any]] = {
        "compile": _compile,
        "check": _check,
        "decode": _decode,
        "first": _first,
        "clients": _clients,
        "transformers": partial(_peer, "transformers"),
        "gpt-fast": partial(_peer, "gpt-fast"),
    }
    for part in options.part:
        began = time.perf_counter()
        told[part] = parts[part](options, device)
        told[f"{part}_s"] = round(time.perf_counter() - began, 1)
        print(f"{part}: {json.dumps(told[part])}", flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(told, indent=1), encoding="utf-8")
    print(json.dumps(told))
    return told


def _compile(options: argparse.Namespace, device: torch.device) -> Any:  # noqa: ANN401  # JSON
    del device
    return gpu_compile.main(["--shape", options.shape, "--kinds", *options.kinds])


def _check(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in options.kinds:
        told[kind] = gpu_parts.check(_build(options, kind, device, 32, 512))
        _free(device)
    return told


def _decode(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    bandwidth = gpu_parts.copy_bandwidth(device, COPY_BYTES if device.type == "cuda" else 2**20)
    told: dict[str, Any] = {"copy_bytes_per_s": bandwidth}
    for kind in options.kinds:
        bench = _build(options, kind, device, 1, max(options.contexts) + 64)
        told[kind] = gpu_parts.decode(bench, options.contexts, ROWS, bandwidth, options.repetitions)
        del bench
        _free(device)
    return told


def _first(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in options.kinds:
        bench = _build(options, kind, device, 1, max(options.contexts) + 64)
        told[kind] = gpu_parts.first_token(
            bench, options.contexts, max(3, options.repetitions // 5), options.chunk
        )
        del bench
        _free(device)
    return told


def _clients(options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    told: dict[str, Any] = {}
    prompt = min(options.contexts)
    for kind in options.kinds:
        max_len = prompt + options.new_tokens
        bench = _build(options, kind, device, max(options.crowds), max_len)
        gpu_parts.clients(bench, max(options.crowds), prompt, options.new_tokens)  # captures
        told[kind] = [
            gpu_parts.clients(bench, count, prompt, options.new_tokens) for count in options.crowds
        ]
        del bench
        _free(device)
    return told


def _build(
    options: argparse.Namespace, kind: GpuKind, device: torch.device, num_slots: int, max_len: int
) -> Bench:
    return build(
        options.shape,
        kind,
        device,
        num_slots=num_slots,
        max_len=max_len,
        attention=options.attention,
    )


def _peer(peer: str, options: argparse.Namespace, device: torch.device) -> Any:  # noqa: ANN401  # JSON
    """Returns a peer's rows, or what went wrong: the other parts still count.

    A process a context, since most of it is compiling: two contexts take as long as one.
    """
    command = [sys.executable, str(Path(__file__).with_name("gpu_peers.py")), peer]
    command += ["--shape", options.shape, "--device", device.type]
    command += ["--new-tokens", str(options.new_tokens)]
    command += ["--repetitions", str(max(3, options.repetitions // 10))]
    command += ["--turns", str(Path(tempfile.gettempdir()) / "midfill-gpu-peers.lock")]
    if options.gpt_fast is not None:
        command += ["--gpt-fast", str(options.gpt_fast.resolve())]
    deadline = time.monotonic() + options.peer_timeout
    with ThreadPoolExecutor(len(options.contexts)) as pool:
        commands = [[*command, "--contexts", str(context)] for context in options.contexts]
        return list(pool.map(partial(_last_line, deadline=deadline), commands))


def _last_line(command: Sequence[str], deadline: float) -> Any:  # noqa: ANN401  # JSON
    left_s = max(1.0, deadline - time.monotonic())
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=left_s, check=True)
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {left_s:.0f} s"}
    except subprocess.CalledProcessError as error:
        return {"error": str(error.stderr)[-2000:]}
    return json.loads(done.stdout.splitlines()[-1])


def _free(device: torch.device) -> None:
    gc.collect()  # what still holds a model in a cycle, since the next one may need its memory
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _versions() -> dict[str, str | None]:
    try:
        import triton  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return {"torch": torch.__version__, "triton": None}
    return {"torch": torch.__version__, "triton": triton.__version__}


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--part", nargs="+", choices=PARTS, help="all, gpt-fast only with --gpt-fast")
    add("--shape", default="7b", choices=SHAPES)
    add("--kinds", nargs="+", choices=("plain", "fp8", "int8"), default=["plain", "fp8", "int8"])
    add("--attention", default="auto", choices=ATTENTIONS, help="whole: a step is one launch")
    add("--chunk", type=int, default=CHUNK, help="tokens of a prompt's step")
    add("--contexts", type=int, nargs="+", default=[512, 2048, 8192])
    add("--crowds", type=int, nargs="+", default=[16, 64], help="clients at once")
    add("--new-tokens", type=int, default=64)
    add("--repetitions", type=int, default=50)
    add("--device", default="cuda", choices=("cuda", "cpu"))
    add("--peer-timeout", type=float, default=560.0, metavar="S", help="seconds for each peer")
    add("--gpt-fast", type=Path, metavar="DIR", help="a checkout of gpt-fast")
    add("--out", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    if options.part is None:
        options.part = [part for part in PARTS if part != "gpt-fast" or options.gpt_fast]
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA GPU; --device cpu --shape tiny shows that it runs")
    return options


if __name__ == "__main__":
    main()
