"""What a GPU step is made of: operands, and the operations as their callers see them.

Two implementations of the operations: `gpu_plain` (torch, the reference) and `triton_step`; of the
attention a third one, `flash`. Called by `model.gpu_decoder`.

Letters: R rows of a step (tokens of any sequences), G groups, C hidden size, H query heads, K
key/value heads, D head dim, I intermediate size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

QUERIES = 16
"""Most queries of one group: the rows of the smallest tensor-core tile."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A linear layer. Its output n is scale[n] * (weight[n] . input) + bias[n].

    Attributes:
        weight: [outputs, inputs], contiguous: a floating dtype, float8_e4m3fn or int8.
        scale: [outputs] float32 where `weight` is quantised, else None.
        bias: [outputs] or None.
    """

    weight: torch.Tensor
    scale: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    @property
    def num_outputs(self) -> int:
        """Rows of the weight."""
        return self.weight.shape[0]

    @property
    def num_inputs(self) -> int:
        """Columns of the weight."""
        return self.weight.shape[1]


@dataclass(frozen=True, slots=True)
class Norm:
    """Root-mean-square norm over the inputs of a matrix: weight [C] and what keeps it finite."""

    weight: torch.Tensor
    eps: float


@dataclass(frozen=True, slots=True)
class Pages:
    """One layer of the cache in pages of any size.

    Position p of slot s lies in page table[s, p // S] at p % S, S = keys.shape[2]. A slotted cache
    is one page a slot.

    Attributes:
        keys: [pages, K, S, D]; the last dimension contiguous.
        values: as `keys`, with the same strides.
        table: [slots, pages a slot] int32.
    """

    keys: torch.Tensor
    values: torch.Tensor
    table: torch.Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """Where each row of a step stands, [R] int64 on the device.

    Attributes:
        positions: -1 for a row that pads the step: nothing is written for it.
        slots: whose keys and values.
    """

    positions: torch.Tensor
    slots: torch.Tensor


@dataclass(frozen=True, slots=True)
class Groups:
    """Up to QUERIES consecutive rows of one sequence each, [G] int64 on the device.

    Group g's rows are [first_rows[g], first_rows[g] + counts[g]), at the positions
    [ends[g] - counts[g], ends[g]) of slots[g]. A count of 0 is padding.
    """

    slots: torch.Tensor
    first_rows: torch.Tensor
    counts: torch.Tensor
    ends: torch.Tensor


class Attention(Protocol):
    """Attention of the queries of several sequences over the cache."""

    @property
    def name(self) -> str:
        """For `/info`."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a row's numbers are the same whatever else shares the step."""
        ...

    def attend(
        self,
        query: torch.Tensor,
        pages: Pages,
        groups: Groups,
        window: int | None,
        scale: float,
        out: torch.Tensor,
    ) -> None:
        """Writes what query [R, H, D] reads to out [R, H * D]; rows of no group are left alone.

        Query head h reads key/value head h // (H / K), positions [max(0, p - window + 1), p].
        """
        ...


class Operations(Protocol):
    """The rest of a step. Outputs are written to `out` or added in place; nothing is returned.

    What is written for a matrix to take (`normalise`, `gate_up`, `Attention.attend`) ends at 65504
    where it is float16, not at infinity; NaN stays.
    """

    @property
    def name(self) -> str:
        """For `/info`."""
        ...

    @property
    def exact(self) -> bool:
        """As `Attention.exact`."""
        ...

    def normalise(self, hidden: torch.Tensor, norm: Norm, out: torch.Tensor) -> None:
        """Writes hidden [R, C] over its root mean square, times the norm's weight, to out."""
        ...

    def write_qkv(
        self,
        inputs: torch.Tensor,
        matrix: Matrix,
        rotations: torch.Tensor,
        rows: Rows,
        pages: Pages,
        out: torch.Tensor,
    ) -> None:
        """Projects and rotates; queries to out, the rest to the cache.

        Args:
            inputs: [R, C], normalised.
            matrix: queries, keys, values below each other: [(H + 2K) * D, C].
            rotations: [positions, D/2, 2] float32: cosine and sine; dimension 2i pairs 2i + 1.
            rows: where the rows stand.
            pages: where keys and values go.
            out: [R, H, D], the rotated queries.
        """
        ...

    def add_product(self, inputs: torch.Tensor, matrix: Matrix, hidden: torch.Tensor) -> None:
        """Adds the product of inputs [R, inputs] to hidden [R, outputs] in place."""
        ...

    def gate_up(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """Writes silu(gate) * up of inputs [R, C] to out [R, I].

        `matrix` holds the gate's rows [0, I) and the up's rows [I, 2I).
        """
        ...

    def project(self, inputs: torch.Tensor, matrix: Matrix, out: torch.Tensor) -> None:
        """Writes the product of inputs [R, C] to out [R, V] float32."""
        ...

    def choose(self, logits: torch.Tensor, how: Choice, out: torch.Tensor) -> None:
        """Chooses a token for every row of logits [R, V] float32; see `Choice` and `OUTCOME`.

        Greedy takes the lowest id among the best. Otherwise the weights exp((logit - best) /
        temperature) are summed in the order of the ids, in float64, and the first token is taken
        whose running sum exceeds fraction times the whole.
        """
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """How each row's token is chosen, [R] on the device.

    Attributes:
        temperatures: float64; 0 means greedy.
        fractions: float64 in [0, 1), the draw's number; unread where greedy.
        drafts: int64: the guess that the token is compared with, -1 where there is none.
    """

    temperatures: torch.Tensor
    fractions: torch.Tensor
    drafts: torch.Tensor


TOKEN, LOGPROB, STOOD = 0, 1, 2
"""Columns of an outcome, [R, 3] float64: the token's id; its natural log-probability in the
distribution drawn from, NaN where the logits are no numbers; 1 where it equals the draft."""


def kept(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Returns values as the next matrix takes them; float16 ends at its largest, not infinity."""
    if dtype == torch.float16:
        values = values.float().clamp(-65504.0, 65504.0)  # bfloat16 would round that up
    return values.to(dtype)
