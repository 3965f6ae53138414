"""The choice of a token in Triton: greedy, or drawn with a number that (seed, position) gave.

One program a row walks the vocabulary in order, in float64 where it draws, so that the same logits
give the same token whatever shares the step. The reference is `gpu_plain`. Called by `triton_step`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize_on_alignment=["temperatures", "fractions", "drafts"])
def choice_kernel(
    logits: tl.tensor,
    temperatures: tl.tensor,
    fractions: tl.tensor,
    drafts: tl.tensor,
    out: tl.tensor,
    vocab: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Writes token, log-probability and whether the draft stood, see `gpu_interface`."""
    row = tl.program_id(0)
    scores = logits + row.to(tl.int64) * vocab
    temperature = tl.load(temperatures + row)
    lanes = tl.arange(0, BLOCK)

    best = tl.load(scores)
    token = row * 0
    broken = row * 0
    for begin in range(0, vocab, BLOCK):
        ids = begin + lanes
        part = tl.load(scores + ids, ids < vocab, other=float("-inf"))
        broken += tl.sum((part != part).to(tl.int32), 0)
        top = tl.max(part, 0)
        first = tl.min(tl.where(part == top, ids, vocab), 0)
        token = tl.where(top > best, first, token)
        best = tl.maximum(best, top)

    total = tl.load(fractions + row) * 0.0
    if temperature == 0.0:
        for begin in range(0, vocab, BLOCK):
            ids = begin + lanes
            part = tl.load(scores + ids, ids < vocab, other=float("-inf"))
            total += tl.sum(tl.exp(part - best), 0).to(tl.float64)
        logprob = -tl.log(total)
    else:
        wide_best = best.to(tl.float64)
        last = row * 0
        for begin in range(0, vocab, BLOCK):
            ids = begin + lanes
            part = tl.load(scores + ids, ids < vocab, other=float("-inf")).to(tl.float64)
            weights = tl.exp((part - wide_best) / temperature)
            total += tl.sum(weights, 0)
            last = tl.maximum(last, tl.max(tl.where(weights > 0, ids, 0), 0))
        target = tl.load(fractions + row) * total
        running = total * 0.0
        chosen = row * 0 + vocab
        for begin in range(0, vocab, BLOCK):
            ids = begin + lanes
            part = tl.load(scores + ids, ids < vocab, other=float("-inf")).to(tl.float64)
            weights = tl.exp((part - wide_best) / temperature)
            over = (running + tl.cumsum(weights, 0) > target) & (weights > 0)
            chosen = tl.minimum(chosen, tl.min(tl.where(over, ids, vocab), 0))
            running += tl.sum(weights, 0)
        token = tl.minimum(chosen, last)  # rounding may push the target up to the whole sum
        score = tl.load(scores + token).to(tl.float64)
        logprob = (score - wide_best) / temperature - tl.log(total)

    fine = (broken == 0) & (best > float("-inf")) & (best < float("inf"))
    stood = tl.load(drafts + row) == token
    tl.store(out + row * 3, token.to(tl.float64))
    tl.store(out + row * 3 + 1, tl.where(fine, logprob, float("nan")))
    tl.store(out + row * 3 + 2, stood.to(tl.float64))
