"""The engine's own kernels or transformers' code: which of them runs a model. Called by `serve`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from midfill_engine.errors import ModelError
from midfill_engine.exec.build import Wanted
from midfill_engine.exec.memory import process_bytes
from midfill_engine.exec.runner import Runner
from midfill_engine.model.progress import OnProgress, untold
from midfill_engine.model.source import resolve
from midfill_engine.model.spec import ARCHITECTURES, architecture_name, read_config

if TYPE_CHECKING:
    from midfill_engine.exec.transformers_runner import TransformersRunner


def load_runner(
    source: str,
    wanted: Wanted,
    num_threads: int | None = None,
    on_progress: OnProgress = untold,
) -> Runner | TransformersRunner:
    """Loads a model of any architecture; the arguments are those of `Runner.load`.

    transformers' code reads its weights without a word of progress.

    The Llama family never falls back to transformers: what cannot be run of it is told.

    Raises:
        ModelError: anything that keeps the model from running, in one line.
    """
    config = read_config(resolve(source))
    name = architecture_name(config)
    if name not in ARCHITECTURES and "model_type" in config:
        before = process_bytes()
        try:
            from midfill_engine.exec.transformers_runner import TransformersRunner
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise ModelError(
                f"{name} runs through transformers and torch, which is not installed; "
                "pip install 'midfill[transformers]'"
            ) from None
        wanted = replace(wanted, part=wanted.part.grown(before))
        return TransformersRunner.load(source, wanted, num_threads)
    return Runner.load(
        source,
        device=wanted.device,
        dtype=wanted.dtype,
        cache_dtype=wanted.cache_dtype,
        kernels=wanted.kernels,
        attention=wanted.attention,
        max_total_tokens=wanted.max_total_tokens,
        cache_bytes=wanted.cache_bytes,
        max_memory=wanted.max_memory,
        part=wanted.part,
        num_threads=num_threads,
        on_progress=on_progress,
    )
