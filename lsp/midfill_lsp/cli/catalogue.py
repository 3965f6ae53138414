"""Models by name, with what a user wants to know before fetching one. Pure data.

The twelve text models of Hugging Face's announcement of the PRO API ("Inference for PROs", context
length and use as it tells them; its other two rows make images and sound), and some that were made
for infill since, facts by their cards. Called by `list_models`, `recommend` and `use_model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Use: TypeAlias = Literal["chat", "infill", "code chat"]


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model of the Hub.

    Attributes:
        model_id: as the Hub names it.
        context: tokens of prompt and answer, as announced or by its card.
        use: what it was made for.
        licence: under which its weights are given.
        gated: whether the Hub asks to accept terms first.
        parameters: weights, in billions.
        architecture: transformers' class; all of these run on the engine's own code.
    """

    model_id: str
    context: int
    use: Use
    licence: str
    gated: bool
    parameters: float
    architecture: str

    @property
    def gigabytes(self) -> float:
        """Size of the weights in 16 bits, as they are fetched."""
        return self.parameters * 2


_LLAMA, _MISTRAL, _MIXTRAL = "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM"
_APACHE, _LLAMA2 = "Apache-2.0", "Llama 2"

ANNOUNCED: Final = (
    CatalogueModel(
        "mistralai/Mixtral-8x7B-Instruct-v0.1", 32768, "chat", _APACHE, False, 46.7, _MIXTRAL
    ),
    CatalogueModel(
        "NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO", 32768, "chat", _APACHE, False, 46.7, _MIXTRAL
    ),
    CatalogueModel(
        "mistralai/Mistral-7B-Instruct-v0.2", 4096, "chat", _APACHE, False, 7.2, _MISTRAL
    ),
    CatalogueModel("HuggingFaceH4/zephyr-7b-beta", 4096, "chat", "MIT", False, 7.2, _MISTRAL),
    CatalogueModel("openchat/openchat-3.5-0106", 8192, "chat", _APACHE, False, 7.2, _MISTRAL),
    CatalogueModel("meta-llama/Llama-2-7b-chat-hf", 4096, "chat", _LLAMA2, True, 6.7, _LLAMA),
    CatalogueModel("meta-llama/Llama-2-13b-chat-hf", 4096, "chat", _LLAMA2, True, 13.0, _LLAMA),
    CatalogueModel("meta-llama/Llama-2-70b-chat-hf", 4096, "chat", _LLAMA2, True, 69.0, _LLAMA),
    CatalogueModel("codellama/CodeLlama-7b-hf", 4096, "infill", _LLAMA2, False, 6.7, _LLAMA),
    CatalogueModel("codellama/CodeLlama-13b-hf", 4096, "infill", _LLAMA2, False, 13.0, _LLAMA),
    CatalogueModel(
        "codellama/CodeLlama-34b-Instruct-hf", 16384, "code chat", _LLAMA2, False, 33.7, _LLAMA
    ),
    CatalogueModel(
        "codellama/CodeLlama-70b-Instruct-hf", 4096, "code chat", _LLAMA2, False, 69.0, _LLAMA
    ),
)

_QWEN2, _DEEPSEEK = "Qwen2ForCausalLM", "DeepSeek"
INFILL: Final = (
    CatalogueModel("Qwen/Qwen2.5-Coder-0.5B", 32768, "infill", _APACHE, False, 0.49, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-1.5B", 32768, "infill", _APACHE, False, 1.54, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-3B", 32768, "infill", "Qwen Research", False, 3.1, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-7B", 32768, "infill", _APACHE, False, 7.6, _QWEN2),
    CatalogueModel(
        "deepseek-ai/deepseek-coder-1.3b-base", 16384, "infill", _DEEPSEEK, False, 1.35, _LLAMA
    ),
    CatalogueModel(
        "deepseek-ai/deepseek-coder-6.7b-base", 16384, "infill", _DEEPSEEK, False, 6.7, _LLAMA
    ),
    CatalogueModel("mistralai/Codestral-22B-v0.1", 32768, "infill", "MNPL", True, 22.2, _MISTRAL),
)
"""Good at infill for their size; `use` and `parameters` decide what `recommend` says of them."""
