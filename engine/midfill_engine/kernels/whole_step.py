"""A whole step as one launch of our CUDA kernel (`gpu/whole_step.cu`): what it is told, and when.

Weights stay where they are: the kernel reads the same matrices as prompts do. Neither waits for
the device nor allocates, so that a step can be captured. Knows no compiler: what launches is passed
in, `nvrtc` on a GPU. Called by `exec.gpu_choice` and `model.gpu_decoder`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from midfill_engine.kernels.gpu_interface import Groups, Matrix, Norm, Pages, Rows
from midfill_engine.kernels.whole_shape import BARRIER_BYTES, MOST_ROWS, PLACE_BYTES, Shape

_PLACES = (
    "layers", "embedding", "final_norm", "head", "rotations", "token_ids", "positions", "slots",
    "group_slots", "group_firsts", "group_counts", "group_ends", "hidden", "normed", "query",
    "attended", "inner", "parts", "piece_totals", "piece_tops", "logits", "counter", "times",
)  # fmt: skip


class Step(ctypes.Structure):
    """`Step` of whole_step.cu, which tells what each is."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in _PLACES),
        ("slot_stride", ctypes.c_int64),
        ("head_stride", ctypes.c_int64),
        ("eps", ctypes.c_float),
        ("scale", ctypes.c_float),
        ("num_layers", ctypes.c_int),
        ("num_rows", ctypes.c_int),
        ("num_groups", ctypes.c_int),
        ("max_pieces", ctypes.c_int),
        ("num_places", ctypes.c_int),
        ("inputs_bytes", ctypes.c_int),
    )


class Launch(Protocol):
    """What starts the kernel."""

    @property
    def num_blocks(self) -> int:
        """Blocks of a launch: as many as run at a time, one a processor."""
        ...

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block at most."""
        ...

    def __call__(self, step: Step, shared_bytes: int) -> None:
        """Starts it; `step` is copied."""
        ...


@dataclass(frozen=True, slots=True)
class StepLayer:
    """One layer's weights and cache."""

    attention_norm: Norm
    qkv: Matrix
    out: Matrix
    mlp_norm: Norm
    gate_up: Matrix
    down: Matrix
    pages: Pages


class WholeStep:
    """Steps of up to MOST_ROWS rows over a slotted cache; one thread calls.

    Attributes:
        times: [blocks, meetings, 2] int64, where the kernel was built with TIMED: the processor's
            cycles when a block came to each meeting of all blocks, and when it went on; six
            meetings a layer for up to ALONE_ROWS rows, else eight, and one.
    """

    name = "one launch a step"
    exact = True

    def __init__(
        self,
        shape: Shape,
        launch: Launch,
        layers: Sequence[StepLayer],
        *,
        embedding: torch.Tensor,
        final_norm: Norm,
        head: torch.Tensor,
        rotations: torch.Tensor,
        max_len: int,
    ) -> None:
        """Takes a model's parts, which must stay where they are, all on one device.

        Args:
            shape: of the model; `refusal` is None.
            launch: the kernel, built with the shape's macros.
            layers: weights and pages, a page a slot.
            embedding: [V, C] bfloat16.
            final_norm: before the head.
            head: [V, C] bfloat16.
            rotations: [positions, D/2, 2] float32.
            max_len: positions of a slot.
        """
        assert launch.num_blocks >= shape.splits, "every part of the inputs has its blocks"
        assert shape.refusal(launch.shared_bytes) is None, "the ring has its places"
        self._shape = shape
        self._launch = launch
        self._held = (layers, embedding, final_norm, head, rotations)
        device = embedding.device
        places = [_layer_places(layer) for layer in layers]
        self._layers = torch.tensor(places, dtype=torch.int64, device=device)
        pieces = (MOST_ROWS, shape.num_heads, shape.max_pieces(max_len))
        self._totals = torch.zeros((*pieces, shape.head_dim), dtype=torch.float32, device=device)
        self._tops = torch.zeros((*pieces, 2), dtype=torch.float32, device=device)
        size = (shape.splits, MOST_ROWS, shape.hidden)
        self._parts = torch.zeros(size, dtype=torch.float32, device=device)
        size = (2, MOST_ROWS, shape.hidden)
        self._hidden = torch.zeros(size, dtype=torch.bfloat16, device=device)
        self._counter = torch.zeros(1, dtype=torch.int64, device=device)
        size = (launch.num_blocks, 8 * len(layers) + 1, 2)
        self.times = torch.zeros(size, dtype=torch.int64, device=device)
        keys = layers[0].pages.keys
        self._same = {
            "layers": self._layers.data_ptr(),
            "embedding": embedding.data_ptr(),
            "final_norm": final_norm.weight.data_ptr(),
            "head": head.data_ptr(),
            "rotations": rotations.data_ptr(),
            "hidden": self._hidden.data_ptr(),
            "parts": self._parts.data_ptr(),
            "piece_totals": self._totals.data_ptr(),
            "piece_tops": self._tops.data_ptr(),
            "counter": self._counter.data_ptr(),
            "times": self.times.data_ptr(),
            "slot_stride": keys.stride(0),
            "head_stride": keys.stride(1),
            "eps": final_norm.eps,
            "scale": shape.head_dim**-0.5 * math.log2(math.e),
            "num_layers": len(layers),
            "max_pieces": shape.max_pieces(max_len),
        }

    def run(
        self,
        token_ids: torch.Tensor,
        rows: Rows,
        groups: Groups,
        buffers: Mapping[str, torch.Tensor],
    ) -> None:
        """Computes the rows' logits; writes their keys and values.

        No two groups are of one slot: what a group's rows read of each other is written in the same
        launch.

        Args:
            token_ids: [R] int64, R at most MOST_ROWS.
            rows: where they stand.
            groups: of the rows.
            buffers: `normed`, `query`, `attended`, `inner` and `logits` of R rows.
        """
        num_rows = token_ids.shape[0]
        shape, launch = self._shape, self._launch
        inputs_bytes = shape.inputs_bytes(num_rows)
        num_places = shape.num_places(num_rows, launch.shared_bytes)
        step = Step(
            **self._same,
            **{name: buffer.data_ptr() for name, buffer in buffers.items()},
            token_ids=token_ids.data_ptr(),
            positions=rows.positions.data_ptr(),
            slots=rows.slots.data_ptr(),
            group_slots=groups.slots.data_ptr(),
            group_firsts=groups.first_rows.data_ptr(),
            group_counts=groups.counts.data_ptr(),
            group_ends=groups.ends.data_ptr(),
            num_rows=num_rows,
            num_groups=groups.slots.shape[0],
            num_places=num_places,
            inputs_bytes=inputs_bytes,
        )
        held = BARRIER_BYTES + shape.scratch_bytes + inputs_bytes + num_places * PLACE_BYTES
        launch(step, held)


def _layer_places(layer: StepLayer) -> list[int]:
    """Returns `Layer` of whole_step.cu."""
    return [
        layer.attention_norm.weight.data_ptr(),
        *_matrix_places(layer.qkv),
        *_matrix_places(layer.out),
        layer.mlp_norm.weight.data_ptr(),
        *_matrix_places(layer.gate_up),
        *_matrix_places(layer.down),
        layer.pages.keys.data_ptr(),
        layer.pages.values.data_ptr(),
    ]


def _matrix_places(matrix: Matrix) -> list[int]:
    scale = 0 if matrix.scale is None else matrix.scale.data_ptr()
    return [matrix.weight.data_ptr(), scale, 0 if matrix.bias is None else matrix.bias.data_ptr()]
