"""Choosing along a draft: the target is sampled at every place for as long as the draft is right.

A draft token stands if it equals the token that is sampled there. The sampler's number at a place
depends on (seed, position) only, so that the tokens are those that would have been sampled one at
a time, whatever was drafted: the draft decides how many of them one step yields, nothing else.
Called by `runner`.
"""

from __future__ import annotations

from collections.abc import Sequence

from midfill_engine.exec.logprobs import Logits, score
from midfill_engine.exec.sampling import checked, sample
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.work import Work


def choose(logits: Logits, work: Work, best: Sequence[SampledToken] = ()) -> list[SampledToken]:
    """Returns the scored tokens of the prompt, and behind them those that were chosen.

    Chosen is one at the end of the inputs and one behind each draft token that stood.

    Args:
        logits: [work.num_logits, V] float32: of the last places of the work, at least one.
        work: something of it is scored or chosen.
        best: the best token behind each of these places, where the kernels tell; it is then taken
            where nothing but a mask on other places speaks against it, so that a place's
            log-probability has the same bits whatever else a step holds.

    Raises:
        EngineError: as `sample`.
    """
    num_scored = len(work.scored_ids)
    tokens = score(logits[:num_scored], work.scored_ids, work.top_n) if num_scored else []
    if work.sampling is None:
        return tokens
    num_inputs = len(work.token_ids) - work.num_drafts
    drafts = work.token_ids[num_inputs:]
    rows = logits[len(logits) - 1 - work.num_drafts :]
    generated = list(work.generated_ids)
    plainly = work.plainly_chosen and bool(best)
    for idx in range(1 + work.num_drafts):
        allowed = work.allowed[idx] if work.allowed else None
        if plainly and allowed is None:
            token = checked(best[len(best) - 1 - work.num_drafts + idx])
        else:
            token = sample(
                rows[idx],
                work.sampling,
                work.prompt_ids,
                generated,
                work.start + num_inputs + idx,
                allowed,
                work.top_n,
            )
        tokens.append(token)
        if idx == work.num_drafts or drafts[idx] != token.token_id:
            break
        generated.append(token.token_id)
    return tokens


def keep(best: Sequence[SampledToken], work: Work) -> list[SampledToken]:
    """Returns what `choose` would for a `plain` work, from the best token behind every place.

    Args:
        best: work.num_logits tokens; a log-probability of NaN tells of logits that are none.
        work: one that is `plain`.

    Raises:
        EngineError: as `sample`.
    """
    drafts = work.token_ids[len(work.token_ids) - work.num_drafts :]
    tokens: list[SampledToken] = []
    for idx, token in enumerate(best):
        tokens.append(checked(token))
        if idx == work.num_drafts or drafts[idx] != token.token_id:
            break
    return tokens
