"""A model in transformers' own code, from a folder. The only importer of transformers here.

Called by `transformers_runner`; knows no slots and no requests. Code that comes with a model is
never run (`trust_remote_code`).
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any, cast

import torch

from midfill_engine.errors import ModelError
from midfill_engine.exec.step_errors import is_out_of_memory
from midfill_engine.model.checkpoint import FolderCheckpoint

logger = logging.getLogger(__name__)

EXTRA = "transformers"
"""Of the package: what to install."""


class TransformersModel:
    """One loaded model.

    Attributes:
        architecture: its class.
        vocab_size: rows of the embedding.
        longest: positions it was made for, or None where it has no such bound.
        num_parameters: weights, shared ones counted once.
        attention: how attention is computed, in words for `/info`.
        keeps_all_positions: whether its cache can hold keys and values of every position, so that
            it may be cut to any length. State-space layers and shared or compressed caches cannot.
        takes_cache: whether it runs on a cache that is handed to it at all; see `forgo_cache`.
    """

    def __init__(self, model: Any, device: torch.device) -> None:  # noqa: ANN401  # untyped in transformers
        """Use `load_model`."""
        self._model = model
        self._device = device
        config = model.config.get_text_config(decoder=True)
        parameters = inspect.signature(model.forward).parameters
        self._keeps_logits = "logits_to_keep" in parameters
        self._takes_positions = "position_ids" in parameters
        self.takes_cache = "past_key_values" in parameters
        self.architecture = type(model).__name__
        self.vocab_size: int = model.get_input_embeddings().weight.shape[0]
        longest = getattr(config, "max_position_embeddings", None)
        self.longest = longest if isinstance(longest, int) and longest > 0 else None
        self.hidden_size: int = config.hidden_size
        wide = getattr(config, "intermediate_size", None)
        self.intermediate_size: int = wide if isinstance(wide, int) else 4 * config.hidden_size
        self.num_parameters: int = sum(p.numel() for p in model.parameters())
        self.num_bytes: int = sum(p.numel() * p.element_size() for p in model.parameters())
        self.attention = str(getattr(model.config, "_attn_implementation", None) or "none")
        self.keeps_all_positions = self.takes_cache and _has_plain_layers(model.config)

    def forgo_cache(self) -> None:
        """From now on the whole text is run every step: its cache is not to be relied on."""
        self.takes_cache = self.keeps_all_positions = False

    def new_cache(self) -> Any:  # noqa: ANN401  # untyped in transformers
        """An empty cache for one sequence."""
        from transformers import DynamicCache

        # Without a config every layer keeps all positions, sliding windows too: their masks still
        # hide what is out of the window, and a cut can bring it back into it.
        make = cast("Any", DynamicCache)
        return make() if self.keeps_all_positions else make(config=self._model.config)

    def cache_bytes(self, num_tokens: int) -> int:
        """What a sequence of so many tokens keeps; runs them."""
        if not self.takes_cache:
            return 0
        cache = self.new_cache()
        self.logits([0] * num_tokens, cache, 0)
        return sum(_tensor_bytes(list(cast("Any", vars(layer)).values())) for layer in cache.layers)

    @torch.inference_mode()
    def logits(
        self,
        token_ids: list[int],
        cache: Any,  # noqa: ANN401  # untyped in transformers
        num_logits: int,
        past_len: int = 0,
    ) -> torch.Tensor:
        """Runs tokens behind the `past_len` ones of the cache, which takes them in.

        None goes without a cache. Positions are told, since not every architecture counts what its
        cache holds (Bamba begins at 0 every time).

        Returns:
            [num_logits, V] float32 of the last positions.
        """
        ids = torch.tensor([token_ids], dtype=torch.int64, device=self._device)
        options: dict[str, Any] = {"use_cache": cache is not None}
        if cache is not None:
            options["past_key_values"] = cache
            if self._takes_positions:
                end = past_len + len(token_ids)
                options["position_ids"] = torch.arange(past_len, end, device=self._device)[None]
        if self._keeps_logits:
            options["logits_to_keep"] = max(num_logits, 1)
        logits: torch.Tensor = self._model(input_ids=ids, **options).logits[0]
        return logits[logits.shape[0] - num_logits :].float()


def load_model(folder: Path, dtype: torch.dtype, device: torch.device) -> TransformersModel:
    """Loads safetensors of any architecture that transformers knows as a causal language model.

    Raises:
        ModelError: transformers is not installed or does not know it, or the files are no good.
    """
    FolderCheckpoint.open(folder)  # its errors name the file; weights that are pickles are refused
    try:
        from transformers import AutoConfig, AutoModelForCausalLM
    except ModuleNotFoundError:
        raise ModelError(
            f"{folder}: this architecture runs through transformers, which is not installed; "
            f"pip install 'midfill[{EXTRA}]'"
        ) from None
    local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = cast("Any", AutoConfig).from_pretrained(folder, **local)
        model, told = cast("Any", AutoModelForCausalLM).from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **local,
        )
    except Exception as error:  # each architecture's code raises what it likes
        if is_out_of_memory(error):
            raise
        logger.debug("transformers cannot load %s", folder, exc_info=True)
        raise ModelError(f"{folder}: transformers cannot load it ({_reason(error)})") from None
    if missing := sorted(told["missing_keys"]):
        raise ModelError(f"{folder} lacks {missing[0]}; fetch the model again")
    if getattr(model, "hf_quantizer", None) is not None:
        raise ModelError(f"{folder}: quantised checkpoints cannot be run; use the unquantised one")
    return TransformersModel(model.to(device).eval(), device)


def _reason(error: Exception) -> str:
    told = " ".join(str(error).split()) or type(error).__name__
    if "trust_remote_code" in told:
        return "its code comes with it, and code of a model is never run"
    return told[:200]


def _tensor_bytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, (list, tuple)):
        return sum(_tensor_bytes(item) for item in cast("list[object]", value))
    return 0


def _has_plain_layers(config: Any) -> bool:  # noqa: ANN401  # untyped in transformers
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    made = cast("Any", DynamicCache)(config=config)
    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in made.layers)
