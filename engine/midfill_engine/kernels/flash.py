"""Attention by the flash-attn package (2.x), where it is installed; see `gpu_interface`.

`flash_attn_with_kvcache` reads slots of the cache where they lie: `cache_batch_idx` names them,
`cache_seqlens` tells their lengths on the device, and the mask is aligned with the last query.
Imported late: the package is an option. Called by `exec.gpu_choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, metadata
from typing import Any, cast

import torch

from midfill_engine.kernels.gpu_interface import QUERIES, Groups, Pages, kept

FlashCall = Callable[..., torch.Tensor]
"""`flash_attn.flash_attn_with_kvcache`."""

_NUM_SPLITS = 8
"""Fixed: by itself the package chooses by how many sequences share the step."""
_MAX_HEAD_DIM = 256


def open_flash() -> tuple[FlashCall, str] | str:
    """Returns the package's function and version, or in one line why it cannot be had."""
    try:
        module = import_module("flash_attn")
        return cast("Any", module).flash_attn_with_kvcache, metadata.version("flash_attn")
    except metadata.PackageNotFoundError:
        return "flash-attn is of no known version"
    except (ImportError, OSError, AttributeError) as error:  # OSError: built for another torch
        reason = " ".join(str(error).split())[:120]
        return f"flash-attn is not installed ({reason})"


def unsupported(dtype: torch.dtype, head_dim: int) -> str | None:
    """Returns why flash-attn cannot attend, or None."""
    if dtype not in (torch.bfloat16, torch.float16):
        return f"flash-attn knows no {str(dtype).removeprefix('torch.')}"
    if head_dim % 8 or head_dim > _MAX_HEAD_DIM:
        return f"flash-attn knows no heads of {head_dim} dimensions"
    return None


class FlashAttention:
    """`gpu_interface.Attention` on a cache with one page a slot.

    Every group is padded in front to QUERIES queries, so that decoding and verifying are one shape
    for one graph.
    """

    exact = False

    def __init__(self, call: FlashCall, version: str) -> None:
        """Takes what `open_flash` returns."""
        self._call = call
        self.name = f"flash-attn {version}"

    def attend(
        self,
        query: torch.Tensor,
        pages: Pages,
        groups: Groups,
        window: int | None,
        scale: float,
        out: torch.Tensor,
    ) -> None:
        """As `Attention.attend`."""
        num_rows, num_heads, head_dim = query.shape
        assert pages.table.shape[1] == 1, "flash-attn's own pages are multiples of 256"
        lanes = torch.arange(-QUERIES, 0, device=query.device)
        row = (groups.first_rows + groups.counts)[:, None] + lanes
        there = lanes >= -groups.counts[:, None]
        attended = self._call(
            query[torch.where(there, row, 0)],
            pages.keys.transpose(1, 2),
            pages.values.transpose(1, 2),
            cache_seqlens=groups.ends.clamp(min=1).int(),
            cache_batch_idx=pages.table[groups.slots, 0],
            softmax_scale=scale,
            causal=True,
            window_size=_window(window),
            num_splits=_NUM_SPLITS,
        )
        # What pads a group goes to a row behind the last, since a graph can't leave it out.
        padded = torch.empty(
            (num_rows + 1, num_heads * head_dim), dtype=out.dtype, device=out.device
        )
        padded[:num_rows] = out
        places = torch.where(there, row, num_rows).flatten()
        padded.index_copy_(0, places, kept(attended.flatten(0, 1).flatten(1), out.dtype))
        out.copy_(padded[:num_rows])


class FlashPrefill:
    """What `model.attention.Attention` is, for one forward over part of a prompt."""

    def __init__(
        self, call: FlashCall, start: int, num_tokens: int, scale: float, device: torch.device
    ) -> None:
        """As `model.attention.Attention`, behind the package's function."""
        self._call = call
        del device
        self._end = start + num_tokens
        self._scale = scale

    def __call__(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, window: int | None
    ) -> torch.Tensor:
        """Returns the heads' outputs, [T, H * D]; arguments as `Attention.__call__`."""
        attended = self._call(
            query[None],
            keys.transpose(0, 1)[None],
            values.transpose(0, 1)[None],
            cache_seqlens=self._end,
            softmax_scale=self._scale,
            causal=True,
            window_size=_window(window),
        )
        return attended[0].flatten(1)


def _window(window: int | None) -> tuple[int, int]:
    """Returns positions before and behind a query that it reads; -1 means all."""
    return (-1 if window is None else window - 1, 0 if window is not None else -1)
