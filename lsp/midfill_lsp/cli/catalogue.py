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
class Size:
    """How large a model is, in billions of weights but for the layers.

    Attributes:
        parameters: all of them.
        layers: of the decoder.
        read: those that one token reads: of an embedding that is no head a line, of eight experts
            two.
        head: those of `read` in the head, which a prompt needs for its last token only.
    """

    parameters: float
    layers: int
    read: float
    head: float


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model of the Hub.

    Attributes:
        model_id: as the Hub names it.
        context: tokens of prompt and answer, as announced or by its card.
        use: what it was made for.
        licence: under which its weights are given.
        gated: whether the Hub asks to accept terms first.
        size: by its config.json.
        architecture: transformers' class; all of these run on the engine's own code.
    """

    model_id: str
    context: int
    use: Use
    licence: str
    gated: bool
    size: Size
    architecture: str

    @property
    def gigabytes(self) -> float:
        """Size of the weights in 16 bits, as they are fetched."""
        return self.size.parameters * 2

    @property
    def has_experts(self) -> bool:
        """Whether a token is computed by some of its experts only."""
        return self.architecture == _MIXTRAL


_LLAMA, _MISTRAL, _MIXTRAL = "LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM"
_APACHE, _LLAMA2 = "Apache-2.0", "Llama 2"
_EIGHT_7B, _MISTRAL_7B = Size(46.7, 32, 12.75, 0.131), Size(7.2, 32, 7.11, 0.131)
_7B, _13B, _34B, _70B = (
    Size(6.7, 32, 6.61, 0.131),
    Size(13.0, 40, 12.85, 0.164),
    Size(33.7, 48, 33.5, 0.262),
    Size(69.0, 80, 68.7, 0.262),
)

ANNOUNCED: Final = (
    CatalogueModel(
        "mistralai/Mixtral-8x7B-Instruct-v0.1", 32768, "chat", _APACHE, False, _EIGHT_7B, _MIXTRAL
    ),
    CatalogueModel(
        "NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO",
        32768,
        "chat",
        _APACHE,
        False,
        _EIGHT_7B,
        _MIXTRAL,
    ),
    CatalogueModel(
        "mistralai/Mistral-7B-Instruct-v0.2", 4096, "chat", _APACHE, False, _MISTRAL_7B, _MISTRAL
    ),
    CatalogueModel(
        "HuggingFaceH4/zephyr-7b-beta", 4096, "chat", "MIT", False, _MISTRAL_7B, _MISTRAL
    ),
    CatalogueModel(
        "openchat/openchat-3.5-0106", 8192, "chat", _APACHE, False, _MISTRAL_7B, _MISTRAL
    ),
    CatalogueModel("meta-llama/Llama-2-7b-chat-hf", 4096, "chat", _LLAMA2, True, _7B, _LLAMA),
    CatalogueModel("meta-llama/Llama-2-13b-chat-hf", 4096, "chat", _LLAMA2, True, _13B, _LLAMA),
    CatalogueModel("meta-llama/Llama-2-70b-chat-hf", 4096, "chat", _LLAMA2, True, _70B, _LLAMA),
    CatalogueModel("codellama/CodeLlama-7b-hf", 4096, "infill", _LLAMA2, False, _7B, _LLAMA),
    CatalogueModel("codellama/CodeLlama-13b-hf", 4096, "infill", _LLAMA2, False, _13B, _LLAMA),
    CatalogueModel(
        "codellama/CodeLlama-34b-Instruct-hf", 16384, "code chat", _LLAMA2, False, _34B, _LLAMA
    ),
    CatalogueModel(
        "codellama/CodeLlama-70b-Instruct-hf", 4096, "code chat", _LLAMA2, False, _70B, _LLAMA
    ),
)

_QWEN2, _DEEPSEEK = "Qwen2ForCausalLM", "DeepSeek"
_HALF_B, _1B, _2B, _3B = (
    Size(0.49, 24, 0.49, 0.136),
    Size(1.35, 24, 1.28, 0.066),
    Size(1.54, 28, 1.54, 0.233),
    Size(3.1, 36, 3.1, 0.311),
)
_QWEN_7B, _22B = Size(7.6, 28, 7.07, 0.545), Size(22.2, 56, 22.0, 0.201)
INFILL: Final = (
    CatalogueModel("Qwen/Qwen2.5-Coder-0.5B", 32768, "infill", _APACHE, False, _HALF_B, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-1.5B", 32768, "infill", _APACHE, False, _2B, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-3B", 32768, "infill", "Qwen Research", False, _3B, _QWEN2),
    CatalogueModel("Qwen/Qwen2.5-Coder-7B", 32768, "infill", _APACHE, False, _QWEN_7B, _QWEN2),
    CatalogueModel(
        "deepseek-ai/deepseek-coder-1.3b-base", 16384, "infill", _DEEPSEEK, False, _1B, _LLAMA
    ),
    CatalogueModel(
        "deepseek-ai/deepseek-coder-6.7b-base", 16384, "infill", _DEEPSEEK, False, _7B, _LLAMA
    ),
    CatalogueModel("mistralai/Codestral-22B-v0.1", 32768, "infill", "MNPL", True, _22B, _MISTRAL),
)
"""Good at infill for their size; `use` and `size` decide what `recommend` says of them."""
