"""What `bench/gpu.py` measures of our own engine; every function returns plain figures.

Times are wall times of whole steps, host and transfers included, medians in milliseconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from bench.gpu_models import Bench
from midfill_engine.exec.sampling_params import SamplingParams
from midfill_engine.exec.work import Work

GREEDY = SamplingParams()
CHUNK = 256
"""Tokens of a prompt's step, `runtime.sequence.PREFILL_CHUNK`."""


def copy_bandwidth(device: torch.device, num_bytes: int) -> float:
    """Returns bytes a second of a copy within the device, read and written bytes both counted."""
    source = torch.ones(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    took = timed(lambda: target.copy_(source), device, 10)
    return 2 * num_bytes / (took / 1e3)


def timed(run: Callable[[], object], device: torch.device, repetitions: int) -> float:
    """Returns the median of `repetitions` runs, after two uncounted ones."""
    taken: list[float] = []
    for _ in range(repetitions + 2):
        _wait(device)
        began = time.perf_counter()
        run()
        _wait(device)
        taken.append((time.perf_counter() - began) * 1e3)
    return statistics.median(taken[2:])


def check(bench: Bench) -> dict[str, Any]:
    """Returns how far our numbers are from torch's, and whether company changes a row's bits."""
    if bench.forward is None:
        return {"difference": None, "same_bits": None}
    difference = bench.forward.difference()
    ids = [idx * 31 % bench.spec.vocab_size for idx in range(8)]
    alone = _outcome(bench, [_verify(0, ids, 40, 0)])
    same = True
    for num_drafts, others in ((7, 0), (0, 15), (3, 30)):
        company = [_verify(1 + idx, ids, 30 + idx, 0) for idx in range(others)]
        company = company[: bench.runner.num_slots - 1]
        found = _outcome(bench, [*company, _verify(0, ids, 40, num_drafts)])
        same = same and found == alone
    return {"difference": difference, "same_bits": same}


def decode(
    bench: Bench, contexts: Sequence[int], rows: Sequence[int], bandwidth: float, repetitions: int
) -> list[dict[str, Any]]:
    """Returns ms of a step by context and rows of one sequence, and the share of the bandwidth."""
    told: list[dict[str, Any]] = []
    for context in contexts:
        for num_rows in rows:
            if context + num_rows > bench.runner.max_total_tokens:
                continue
            work = _verify(0, [1] * num_rows, context, num_rows - 1)
            took = timed(partial(bench.runner.run, [work]), bench.device, repetitions)
            share = bench.step_bytes(context) / (took / 1e3) / bandwidth
            told.append({"context": context, "rows": num_rows, "ms": took, "share_of_copy": share})
    return told


def first_token(
    bench: Bench, lengths: Sequence[int], repetitions: int, chunk: int = CHUNK
) -> list[dict[str, Any]]:
    """Returns ms to the first token of prompts: cold, and after 1 and 8 more tokens."""
    told: list[dict[str, Any]] = []
    for length in lengths:
        if length + 8 > bench.runner.max_total_tokens:
            continue
        row: dict[str, Any] = {"prompt": length}
        for name, known in (("cold", 0), ("plus_1", length - 1), ("plus_8", length - 8)):
            took = timed(partial(_prompt, bench, length, known, chunk), bench.device, repetitions)
            row[f"{name}_ms"] = took
        told.append(row)
    return told


def clients(bench: Bench, count: int, prompt: int, new_tokens: int) -> dict[str, Any]:
    """Returns first-token times and throughput of `count` sequences that begin at once.

    Steps as the engine's thread shares them: everybody's next token, and one chunk of a prompt.
    The wire is not in it.
    """
    count = min(count, bench.runner.num_slots)
    done, firsts, made = [0] * count, [0.0] * count, [0] * count
    _wait(bench.device)
    began = time.perf_counter()
    while any(each < new_tokens for each in made):
        works: list[Work] = []
        owners: list[int] = []
        prefilling = False
        for idx in range(count):
            left = prompt - done[idx]
            if left > 0 and not prefilling:
                prefilling = True
                size = min(left, CHUNK)
                sampling = GREEDY if size == left else None
                works.append(Work(idx, [idx + 1] * size, done[idx], 0, sampling))
                owners.append(idx)
            elif left <= 0 and made[idx] < new_tokens:
                works.append(Work(idx, [1], done[idx], 0, GREEDY))
                owners.append(idx)
        for idx, work, tokens in zip(owners, works, bench.runner.run(works), strict=True):
            done[idx] += len(work.token_ids)
            if tokens and not made[idx]:
                firsts[idx] = (time.perf_counter() - began) * 1e3
            made[idx] += len(tokens)
    seconds = time.perf_counter() - began
    return {
        "clients": count,
        "prompt": prompt,
        "new_tokens": new_tokens,
        "first_token_ms_median": statistics.median(firsts),
        "first_token_ms_max": max(firsts),
        "tokens_per_s": sum(made) / seconds,
    }


def _prompt(bench: Bench, length: int, known: int, chunk: int) -> None:
    while length - known > chunk:
        bench.runner.run([Work(0, [1] * chunk, known)])
        known += chunk
    bench.runner.run([Work(0, [1] * (length - known), known, 0, GREEDY)])


def _verify(slot: int, ids: Sequence[int], start: int, num_drafts: int) -> Work:
    return Work(slot, ids[: 1 + num_drafts], start, num_drafts, GREEDY)


def _outcome(bench: Bench, works: Sequence[Work]) -> tuple[int, float]:
    """Returns token and log-probability behind the last work's first row."""
    token = bench.runner.run(works)[-1][0]
    return token.token_id, token.logprob


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
