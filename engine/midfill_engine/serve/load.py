"""From a model's name to a running engine, whose imports come late: the socket is bound first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from midfill_engine.config import EngineConfig, ModelConfig, Speculate
from midfill_engine.errors import ModelError, StartError
from midfill_engine.exec.memory import MB, MemoryPart
from midfill_engine.model.progress import OnProgress, untold
from midfill_engine.place import on_disk
from midfill_engine.serve.served import ModelInfo, Served
from midfill_engine.text.chat import Chat
from midfill_engine.text.families import find_family
from midfill_engine.text.fim import MIN_BUDGET_TOKENS
from midfill_engine.text.heal import MAX_BYTES, PieceIndex
from midfill_engine.text.infill_defaults import InfillDefaults
from midfill_engine.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_MIN_TOTAL_TOKENS = 2 * MIN_BUDGET_TOKENS
"""Half of the context may go to a completion; the other half must hold a prompt."""


def load_served(config: EngineConfig, on_progress: OnProgress = untold) -> Served:
    """Load `config.model` and its tokenizer and start the engine thread.

    `on_progress` is told of the download and of the weights that are read.

    Raises:
        ModelError: in one line, what keeps the model from running.
    """
    from midfill_engine.exec.build import Wanted
    from midfill_engine.exec.cold_prompt import infill_tokens
    from midfill_engine.exec.load_runner import load_runner
    from midfill_engine.model.source import resolve
    from midfill_engine.runtime.loop import EngineLoop

    model = config.model
    if model.max_infill is not None and model.max_infill < MIN_BUDGET_TOKENS + MAX_BYTES:
        raise ModelError(
            f"an infill prompt of {model.max_infill} tokens is too short: "
            f"{MIN_BUDGET_TOKENS + MAX_BYTES} are needed; see --max-infill"
        )
    folder = resolve(model.source, on_progress)
    tokenizer = Tokenizer.load(folder)
    limit_mb = model.max_memory_mb
    wanted = Wanted(
        device=model.device,
        dtype=model.dtype,
        kernels=model.kernels,
        cache_dtype=model.cache_dtype,
        attention=model.attention,
        max_total_tokens=model.max_context,
        max_memory=None if limit_mb is None else limit_mb * MB,
        part=MemoryPart(model.memory_share, model.memory_taken),
    )
    # By its folder, so that the Hub is not asked again.
    runner = load_runner(str(folder), wanted, model.num_threads, on_progress)
    if runner.max_total_tokens < _MIN_TOTAL_TOKENS:
        raise ModelError(
            f"a context of {runner.max_total_tokens} tokens is too short to serve: "
            f"{_MIN_TOTAL_TOKENS} are needed; see --max-context"
        )
    family = find_family(tokenizer, vocab_size=runner.vocab_size, wanted=model.fim_family)
    infill_defaults = InfillDefaults.read(folder, family)
    name = model.name or model_id(model.source)
    chat = Chat.find(folder, tokenizer, name)
    speculate = _speculates(model.speculation, exact=runner.exact)
    engine = EngineLoop(
        runner, tokenizer, max_requests=config.limits.max_concurrent, speculate=speculate
    )
    engine.start()
    logger.info("%s", runner.memory.told(runner.max_total_tokens))
    told = runner.describe()
    parameters = int(str(told["parameters"]))
    patience = infill_tokens(str(told["device"]), parameters)
    bounds = (model.max_infill,) if model.max_infill else (patience, infill_defaults.max_tokens)
    return Served(
        engine=engine,
        tokenizer=tokenizer,
        vocab_size=runner.vocab_size,
        pieces=PieceIndex(tokenizer, runner.vocab_size),
        family=family,
        model_id=name,
        max_total_tokens=runner.max_total_tokens,
        max_infill_tokens=min(runner.max_total_tokens, *filter(None, bounds)),
        info=ModelInfo(
            architecture=str(told["architecture"]),
            parameters=parameters,
            dtype=str(told["dtype"]),
            dtype_reason=str(told.get("dtype_reason", "as transformers runs it")),
            device=str(told["device"]),
            attention=str(told["attention"]),
            kernels=str(told["kernels"]),
            speculation=speculate,
            memory=runner.memory,
        ),
        infill_defaults=infill_defaults,
        chat=chat,
        limits=config.limits,
    )


def _speculates(wanted: Speculate, *, exact: bool) -> bool:
    """Whether to draft; without kernels of our own only when asked to, and the log says so."""
    if wanted == "on" and not exact:
        logger.warning("speculation without kernels of our own: a reply may differ in near ties")
    if wanted == "auto" and not exact:
        logger.info(
            "no speculation: what computes here gives numbers that hang on how many share a step"
        )
    return wanted == "on" or (wanted == "auto" and exact)


def load_all(config: EngineConfig, load: Callable[[EngineConfig], Served]) -> list[Served]:
    """Every model of the command line, each with `load`; none is left running after an error."""
    loaded: list[Served] = []
    models = (config.model, *config.others)
    try:
        for idx, model in enumerate(models):
            memory = loaded[-1].info.memory if loaded else None
            taken = None if memory is None else memory.total
            loaded.append(load(with_share(config, model, taken, len(models) - idx)))
    except BaseException:
        for served in loaded:
            served.engine.close()
        raise
    return loaded


def with_share(
    config: EngineConfig, model: ModelConfig, taken: int | None, num_to_come: int
) -> EngineConfig:
    """The configuration that loads one model beside others (docs/configuration.md, Memory).

    Args:
        config: of the whole engine.
        model: the model to load.
        taken: bytes that the process and the models before it take; None for the first.
        num_to_come: models that share what is left, this one among them.
    """
    num_models = num_to_come if model.max_memory_mb is not None else 1 + len(config.others)
    model = replace(model, memory_share=1 / num_models, memory_taken=taken)
    return replace(config, model=model, others=())


def check_names(config: EngineConfig) -> None:
    """Raise StartError if two models would have one name, or one that is none."""
    seen: set[str] = set()
    for model in (config.model, *config.others):
        name = model.name or model_id(model.source)
        if name in RESERVED_NAMES:
            raise StartError(f"a model cannot be named {name}: give it another with NAME=PLACE")
        if name in seen:
            raise StartError(f"two models are named {name}: name them with --model NAME=PLACE")
        seen.add(name)


RESERVED_NAMES = ("load", "unload")
"""No model's name: `/models/load` and `/models/unload` are routes."""


def model_id(source: str) -> str:
    """A model's name to its clients: a folder's own name, a Hub id without its revision."""
    folder = on_disk(source)
    if folder is not None and folder.is_dir():
        return folder.resolve().name
    return source.partition("@")[0]
