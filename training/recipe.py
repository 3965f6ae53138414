"""Every number of the training run, by size of the model.

``small`` is for CPUs, ``full`` for a GPU; docs/log.md keeps why. Called by ``training.train`` and
``training.run``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from training.batches import Phase
from training.infill import Mix
from training.model import Shape
from training.spans import SpanShares

SHARES = {
    "python": 0.82, "javascript": 0.045, "typescript": 0.04, "c": 0.02, "cpp": 0.025,
    "shell": 0.005, "markdown": 0.025, "toml": 0.005, "json": 0.015,
}  # fmt: skip
"""Language -> share of the rows."""

EARLY = Phase({128: 0.3, 256: 0.35, 512: 0.25, 1024: 0.1}, Mix())
"""Short rows: many middles a step, which is what prefix first is learnt from."""
LATE = Phase(
    {128: 0.1, 256: 0.3, 512: 0.3, 1024: 0.2, 2048: 0.1},
    Mix(
        infill=0.9, spm=0.7, line_start=0.6, middle_weight=5.0,
        spans=SpanShares(
            rest_of_line=0.5, inside_line=0.12, whole_lines=0.1, block=0.1, syntax=0.12
        ),
    ),
)  # fmt: skip
"""While the rate decays: rows as long as editors' prompts, and mostly what they ask."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    Attributes:
        step_tokens: tokens of a step, padding included.
        matrix_lr: base rate of Muon; embed_lr: of AdamW.
        clip: largest norm of the gradient.
    """

    shape: Shape = field(default_factory=Shape)
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    early: Phase = EARLY
    late: Phase = LATE
    step_tokens: int = 4096
    matrix_lr: float = 0.02
    embed_lr: float = 0.004
    clip: float = 1.0
    seed: int = 1
    save_every_s: float = 240.0
    log_every: int = 20


SMALL = Recipe()
FULL = replace(
    SMALL,
    shape=Shape(
        vocab_size=15_616, hidden_size=512, num_layers=8, num_heads=8, num_kv_heads=4,
        head_dim=64, ffn_size=1408, context_len=4096,
    ),
    shares={
        "python": 0.74, "javascript": 0.08, "typescript": 0.06, "c": 0.025, "cpp": 0.025,
        "shell": 0.002, "markdown": 0.05, "toml": 0.0005, "json": 0.0175,
    },
    early=Phase({256: 0.4, 512: 0.4, 1024: 0.2}, EARLY.mix),
    late=Phase({256: 0.1, 512: 0.3, 1024: 0.3, 2048: 0.2, 4096: 0.1}, LATE.mix),
    step_tokens=65_536,
)  # fmt: skip
"""The vocabulary is what 16 MB, the largest shard, hold; rows have few lengths, since each is
compiled for."""
SIZES = {"small": SMALL, "full": FULL}
