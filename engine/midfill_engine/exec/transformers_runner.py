"""Any architecture that transformers knows, behind the interface of `runner`: slower, as right.

One forward per sequence and step, in torch, on whatever attention transformers takes. Called by
`runtime` as `runner.Runner` is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.build import Wanted, choose_context, plan_for
from midfill_engine.exec.memory import MemoryNeeds, MemoryPlan, process_bytes
from midfill_engine.exec.placement import choose_device, choose_dtype
from midfill_engine.exec.sampling_params import SampledToken
from midfill_engine.exec.step_errors import is_out_of_memory, step_errors
from midfill_engine.exec.threads import num_threads as chosen_threads
from midfill_engine.exec.threads import set_threads
from midfill_engine.exec.torch_build import torch_dtype
from midfill_engine.exec.transformers_caches import TransformersCaches
from midfill_engine.exec.transformers_model import TransformersModel, load_model
from midfill_engine.exec.transformers_probe import cache_holds
from midfill_engine.exec.verify import choose
from midfill_engine.exec.work import Work
from midfill_engine.model.source import resolve

logger = logging.getLogger(__name__)

KERNELS = "transformers (slower)"
"""In words for `/info`."""
_PREFILL_CHUNK = 256
"""Tokens at once where a prefix is computed again, as `runtime.sequence` has it."""


@dataclass(frozen=True, slots=True)
class _Widths:
    hidden_size: int
    intermediate_size: int
    vocab_size: int


class TransformersRunner:
    """Runs steps of many sequences; slots are numbered [0, num_slots)."""

    exact = False
    run_ahead = None
    max_rows = None

    def __init__(
        self,
        model: TransformersModel,
        memory: MemoryPlan,
        max_len: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """Takes parts that belong together; use `load`."""
        self.memory = memory
        self._model = model
        self._max_len = max_len
        self._dtype = dtype
        self._device = device
        self._caches = TransformersCaches(model, memory.num_slots)

    @classmethod
    def load(
        cls, source: str, wanted: Wanted, num_threads: int | None = None
    ) -> TransformersRunner:
        """Loads a model.

        Args:
            source: a folder or a Hub id.
            wanted: as `Runner.load` documents it.
            num_threads: of the products, for the whole process; None as `Runner.load`.

        Raises:
            ModelError: anything that keeps the model from running, in one line.
        """
        _refuse(wanted)
        folder, device = resolve(source), choose_device(wanted.device)
        place, kind = torch.device(device), torch_dtype(choose_dtype(wanted.dtype, device))
        set_threads(num_threads)
        torch.set_num_threads(chosen_threads())
        if wanted.part.taken is None:  # before the weights are there
            taken = 0 if place.type == "cuda" else process_bytes()
            wanted = replace(wanted, part=replace(wanted.part, taken=taken))
        try:
            model = load_model(folder, kind, place)
            if model.takes_cache and not cache_holds(model, kind):
                model.forgo_cache()
            max_len = choose_context(model.longest, wanted.max_total_tokens)
            memory = plan_for(_needs(model, max_len), device, wanted)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ModelError(
                f"{folder} in {kind} does not fit the memory of {place}; take a smaller model or "
                "dtype"
            ) from None
        logger.warning(
            "%s runs in transformers' own code, which is slower than the engine's kernels%s",
            model.architecture,
            _cost(model),
        )
        return cls(model, memory, max_len, kind, place)

    @property
    def num_slots(self) -> int:
        """Number of sequences that fit the cache."""
        return len(self._caches)

    @property
    def max_total_tokens(self) -> int:
        """Prompt and generated tokens that fit one slot."""
        return self._max_len

    @property
    def vocab_size(self) -> int:
        """Rows of the embedding: token ids are [0, vocab_size)."""
        return self._model.vocab_size

    def describe(self) -> dict[str, object]:
        """Returns what `/info` tells of the model and of what runs it."""
        return {
            "architecture": self._model.architecture,
            "parameters": self._model.num_parameters,
            "dtype": str(self._dtype).removeprefix("torch."),
            "device": str(self._device),
            "attention": self._model.attention,
            "kernels": KERNELS,
        }

    def run(self, works: Sequence[Work]) -> list[list[SampledToken]]:
        """Runs one step of several sequences, one after the other; see `Runner.run`.

        Raises:
            OutOfMemory: it did not fit; the slots still stand for their [0, start).
            DeviceLost: nothing can be computed any more.
            EngineError: see `sampling.sample`; the same holds.
        """
        with step_errors(sum(len(work.token_ids) for work in works), str(self._device)):
            return [self._run_one(work) for work in works]

    def _run_one(self, work: Work) -> list[SampledToken]:
        token_ids = list(work.token_ids)
        missing, cache = self._caches.take(work.slot, work.start)
        if cache is None and not work.num_logits:  # what comes behind is computed with all of it
            self._caches.put(work.slot, token_ids, None)
            return []
        if cache is None:
            logits = self._model.logits([*missing, *token_ids], None, work.num_logits)
        else:
            for begin in range(0, len(missing), _PREFILL_CHUNK):
                self._model.logits(missing[begin : begin + _PREFILL_CHUNK], cache, 0, begin)
            logits = self._model.logits(token_ids, cache, work.num_logits, work.start)
        self._caches.put(work.slot, token_ids, cache)
        return choose(logits, work) if work.num_logits else []

    def copy_prefix(self, src: int, dst: int, length: int) -> None:
        """Copies what is known of positions [0, length) of one slot to another."""
        with step_errors(length, str(self._device)):
            self._caches.copy_prefix(src, dst, length)


def _refuse(wanted: Wanted) -> None:
    """What only kernels of our own can do."""
    for option, value, ours in (
        ("--kernels", wanted.kernels, ("native",)),
        ("--dtype", wanted.dtype, ("int8", "int6", "int4", "fp8")),
        ("--cache-dtype", wanted.cache_dtype, ("float32", "bfloat16", "int8")),
    ):
        if value in ours:
            told = f"{option} {value} is not possible: this architecture runs in transformers"
            raise ModelError(f"{told}; leave it out")


def _needs(model: TransformersModel, max_len: int) -> MemoryNeeds:
    """What the model takes; the cache's growth is measured, since every architecture has its own.

    Line through two lengths: a state-space layer's state does not grow.
    """
    short, long = min(_PROBED[0], max_len - 1), min(_PROBED[1], max_len)
    sizes = [model.cache_bytes(length) for length in (short, long)]
    growth = (sizes[1] - sizes[0]) / (long - short)
    slot = max(int(sizes[0] + growth * (max_len - short)), 1)
    widths = _Widths(model.hidden_size, model.intermediate_size, model.vocab_size)
    return MemoryNeeds(widths, slot, model.num_bytes, model.num_bytes)


def _cost(model: TransformersModel) -> str:
    if model.keeps_all_positions:
        return ""
    if model.takes_cache:
        return "; its cache cannot be cut, so that a changed prompt is computed anew"
    return "; no cache of it can be relied on, so that the whole text is computed every step"


_PROBED = (8, 16)
