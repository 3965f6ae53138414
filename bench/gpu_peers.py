"""Peers of `bench/gpu.py`, each in a process of its own: transformers, and gpt-fast as it is.

    python bench/gpu_peers.py transformers --shape 7b --contexts 512 2048
    python bench/gpu_peers.py gpt-fast --gpt-fast DIR --shape 7b --contexts 512 2048

Random weights in bfloat16, made on the device. ms per token is what the tokens after the first
cost; first tokens are cold, since neither keeps a prompt, and gpt-fast's hold one step more.
Processes with the same --turns FILE compile side by side, and are timed one by one once all have,
unless that takes longer than --patience.
The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import inspect
import json
import statistics
import sys
import time
import types
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO, cast

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.gpu_models import SHAPES

_TOKENIZERS = (
    ("sentencepiece", "SentencePieceProcessor"),
    ("tiktoken", "Encoding"),
    ("tiktoken.load", "load_tiktoken_bpe"),
)
"""What gpt-fast imports and token ids do not need."""

Complete = Callable[[torch.Tensor, int], object]
"""Takes a prompt [T] and the number of new tokens."""
Alone = Callable[[], AbstractContextManager[bool]]
"""Within it nobody else uses the machine; it tells whether that is so."""


def measure(
    complete: Complete,
    vocab: int,
    contexts: Sequence[int],
    new_tokens: int,
    repetitions: int,
    device: str = "cpu",
    alone: Alone | None = None,
) -> list[dict[str, Any]]:
    """Returns ms to the first token and ms per further token, by length of the prompt."""
    told: list[dict[str, Any]] = []
    for context in sorted(contexts):  # a cache only grows
        # Shapes stay constants, as in a process of its own; a second length makes them symbols.
        cast("Any", torch)._dynamo.reset()
        prompt = torch.arange(context, device=device) % (vocab - 1) + 1
        # The longer one first: gpt-fast compiles anew when its cache has to grow.
        counts = (new_tokens, 1)
        began = time.perf_counter()
        for count in counts:
            complete(prompt, count)
        _wait(prompt.device)
        compile_s = time.perf_counter() - began
        with (alone or by_itself)() as is_alone:
            taken = {count: _median(complete, prompt, count, repetitions) for count in counts}
        per_token = (taken[new_tokens] - taken[1]) / (new_tokens - 1)
        told.append({
            "context": context, "first_token_ms": taken[1], "ms_per_token": per_token,
            "compile_s": compile_s, "alone": is_alone,
        })  # fmt: skip
    return told


@contextmanager
def by_itself() -> Generator[bool]:
    """Returns the turn of a process that shares with nobody."""
    yield True


@contextmanager
def taking_turns(path: Path, patience_s: float = 60.0) -> Generator[Alone]:
    """Yields what waits until no process but this one computes, of those that share the file.

    One turn each. It waits no longer than `patience_s`, and then tells that it is not alone: a
    figure beside others is one, none is not.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)

        @contextmanager
        def alone() -> Generator[bool]:
            is_alone = _locked(file, time.monotonic() + patience_s)
            try:
                yield is_alone
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)

        yield alone


def _locked(file: TextIO, deadline: float) -> bool:
    """Returns whether nobody else has the file; while it waits, it has not got it either."""
    fcntl.flock(file, fcntl.LOCK_UN)
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def transformers_complete(shape: str, new_tokens: int) -> Complete:
    """Returns transformers' `generate` with its static cache, which compiles the step.

    A step attends to the whole of that cache, so it holds a prompt and `new_tokens`, and no more.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = cast("Any", AutoConfig).for_model(**SHAPES[shape])
    model = cast("Any", AutoModelForCausalLM).from_config(config, dtype=torch.bfloat16).eval()

    def complete(prompt: torch.Tensor, count: int) -> object:
        return model.generate(
            prompt[None],
            attention_mask=torch.ones_like(prompt[None]),
            min_new_tokens=count,
            max_new_tokens=count,
            do_sample=False,
            cache_implementation="static",
            max_cache_len=len(prompt) + new_tokens,
            eos_token_id=None,
            pad_token_id=0,
        )

    return complete


def gpt_fast_complete(folder: Path, shape: str, *, compile_prefill: bool) -> Complete:
    """Returns gpt-fast's own `generate`, compiled as its command line does.

    Without `compile_prefill` a prompt's scores are whole in memory, 9 GB a copy at 8192 tokens.
    """
    for name, member in _TOKENIZERS:
        module = types.ModuleType(name)
        vars(module)[member] = object
        sys.modules.setdefault(name, module)
    sys.path.insert(0, str(folder))
    model_code: Any = importlib.import_module("model")
    code: Any = importlib.import_module("generate")
    sizes = SHAPES[shape]
    arguments = model_code.ModelArgs(
        block_size=sizes["max_position_embeddings"],
        vocab_size=sizes["vocab_size"],
        n_layer=sizes["num_hidden_layers"],
        n_head=sizes["num_attention_heads"],
        dim=sizes["hidden_size"],
        intermediate_size=sizes["intermediate_size"],
        rope_base=sizes["rope_theta"],
    )
    torch.set_default_dtype(torch.bfloat16)  # float32 first would take three times the memory
    model = model_code.Transformer(arguments).eval()
    torch.set_default_dtype(torch.float32)
    compiled: Any = cast("Any", torch).compile
    code.decode_one_token = compiled(code.decode_one_token, mode="reduce-overhead", fullgraph=True)
    if compile_prefill:
        code.prefill = compiled(code.prefill, fullgraph=True, dynamic=True)

    batched = "batch_size" in inspect.signature(code.generate).parameters  # since late 2024

    def complete(prompt: torch.Tensor, count: int) -> object:
        # Its loop needs a token behind the first one, so both counts are one higher.
        sizes: dict[str, int] = {"batch_size": 1} if batched else {}
        with torch.no_grad():
            return code.generate(
                model, prompt.int(), count + 1, interactive=False, draft_model=None,
                temperature=0.8, top_k=200, **sizes,
            )  # fmt: skip

    return complete


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("transformers", "gpt-fast"))
    parser.add_argument("--gpt-fast", type=Path, metavar="DIR")
    parser.add_argument("--compile-prefill", action="store_true", help="gpt-fast's own option")
    parser.add_argument("--shape", default="7b", choices=SHAPES)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--contexts", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--turns", type=Path, metavar="FILE", help="that peers are to share")
    parser.add_argument("--patience", type=float, default=60.0, metavar="S", help="for their turn")
    options = parser.parse_args(argv)
    if options.peer == "gpt-fast" and options.gpt_fast is None:
        parser.error("gpt-fast needs --gpt-fast DIR, a checkout of it")
    turns = (
        nullcontext[Alone](by_itself)
        if options.turns is None
        else taking_turns(options.turns, options.patience)
    )
    with turns as alone:
        # For the weights only: as a default it slows every call, and refuses to pin memory.
        with torch.device(options.device):
            if options.peer == "transformers":
                complete = transformers_complete(options.shape, options.new_tokens)
            else:
                complete = gpt_fast_complete(
                    options.gpt_fast, options.shape, compile_prefill=options.compile_prefill
                )
        vocab = SHAPES[options.shape]["vocab_size"]
        rows = measure(
            complete, vocab, options.contexts, options.new_tokens, options.repetitions,
            options.device, alone,
        )  # fmt: skip
    print(json.dumps({"peer": options.peer, "shape": options.shape, "rows": rows}))


def _median(complete: Complete, prompt: torch.Tensor, count: int, repetitions: int) -> float:
    taken: list[float] = []
    for _ in range(repetitions):
        _wait(prompt.device)
        began = time.perf_counter()
        complete(prompt, count)
        _wait(prompt.device)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
