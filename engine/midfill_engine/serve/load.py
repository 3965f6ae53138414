"""From a model's name to a running engine. The only part of `serve` that imports torch, late."""

from __future__ import annotations

import logging
from pathlib import Path

from midfill_engine.config import EngineConfig, Speculate
from midfill_engine.errors import ModelError
from midfill_engine.exec.memory import MB
from midfill_engine.serve.served import ModelInfo, Served
from midfill_engine.text.families import find_family
from midfill_engine.text.fim import MIN_BUDGET_TOKENS
from midfill_engine.text.heal import PieceIndex
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_MIN_TOTAL_TOKENS = 2 * MIN_BUDGET_TOKENS
"""Half of the context may go to a completion; the other half must hold a prompt."""


def load_served(config: EngineConfig) -> Served:
    """Load the model and its tokenizer and start the engine thread.

    Raises:
        ModelError: in one line, what keeps the model from running.
    """
    from midfill_engine.exec.runner import Runner
    from midfill_engine.model.source import resolve
    from midfill_engine.runtime.loop import EngineLoop

    model = config.model
    folder = resolve(model.source)
    tokenizer = Tokenizer.load(folder)
    limit_mb = model.max_memory_mb
    runner = Runner.load(
        model.source,
        device=model.device,
        dtype=model.dtype,
        kernels=model.kernels,
        max_total_tokens=model.max_context,
        num_threads=model.num_threads,
        max_memory=None if limit_mb is None else limit_mb * MB,
    )
    if runner.max_total_tokens < _MIN_TOTAL_TOKENS:
        raise ModelError(
            f"a context of {runner.max_total_tokens} tokens is too short to serve: "
            f"{_MIN_TOTAL_TOKENS} are needed; see --max-context"
        )
    family = find_family(tokenizer, vocab_size=runner.vocab_size, wanted=model.fim_family)
    infill_defaults = InfillDefaults.read(folder, family)
    speculate = _speculates(model.speculation, exact=runner.exact)
    engine = EngineLoop(
        runner, tokenizer, max_requests=config.limits.max_concurrent, speculate=speculate
    )
    engine.start()
    logger.info("%s", runner.memory.told(runner.max_total_tokens))
    told = runner.describe()
    return Served(
        engine=engine,
        tokenizer=tokenizer,
        pieces=PieceIndex(tokenizer, runner.vocab_size),
        family=family,
        model_id=model_id(model.source),
        max_total_tokens=runner.max_total_tokens,
        info=ModelInfo(
            architecture=str(told["architecture"]),
            parameters=int(str(told["parameters"])),
            dtype=str(told["dtype"]),
            device=str(told["device"]),
            attention=str(told["attention"]),
            kernels=str(told["kernels"]),
            speculation=speculate,
            memory=runner.memory,
        ),
        infill_defaults=infill_defaults,
        limits=config.limits,
    )


def _speculates(wanted: Speculate, *, exact: bool) -> bool:
    """Whether to draft; without the native kernels only when asked to, and the log says so."""
    if wanted == "on" and not exact:
        logger.warning("speculation without native kernels: a reply may differ in near ties")
    if wanted == "auto" and not exact:
        logger.info("no speculation: torch's numbers hang on how many tokens share a step")
    return wanted == "on" or (wanted == "auto" and exact)


def model_id(source: str) -> str:
    """A model's name to its clients: a folder's own name, a Hub id without its revision."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.resolve().name
    return source.partition("@")[0]
