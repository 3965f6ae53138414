"""Golden prompts of the announced chat models, character for character.

From the announcement of the PRO API and from the templates that the models' authors published.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_formats import ALTERNATE, FORMATS, Marks, find_format

MARKS = Marks("<s>", "</s>")
LLAMA_SYSTEM = (
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, "
    "while being safe.  Your answers should not include any harmful, unethical, racist, sexist, "
    "toxic, dangerous, or illegal content. Please ensure that your responses are socially unbiased "
    "and positive in nature.\n\nIf a question does not make any sense, or is not factually "
    "coherent, explain why instead of answering something not correct. If you don't know the "
    "answer to a question, please don't share false information."
)
LLAMA_QUESTION = "There's a llama in my garden 😱 What should I do?"
TALK = [("user", "Hi"), ("assistant", "Hello!"), ("user", "Why?")]
WITH_SYSTEM = [("system", "Be brief."), *TALK]
ANNOUNCED_70B = [
    ("system", "System prompt    "),
    ("user", "First user query"),
    ("assistant", "Model response to first query"),
    ("user", "Second user query"),
]

GOLDEN = [
    (
        "meta-llama/Llama-2-70b-chat-hf",
        [("system", LLAMA_SYSTEM), ("user", LLAMA_QUESTION)],
        f"<s>[INST] <<SYS>>\n{LLAMA_SYSTEM}\n<</SYS>>\n\n{LLAMA_QUESTION} [/INST]",
    ),
    (
        "meta-llama/Llama-2-7b-chat-hf",
        WITH_SYSTEM,
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Why? [/INST]",
    ),
    (
        "meta-llama/Llama-2-13b-chat-hf",
        [("user", " Hi \n"), ("assistant", " Hello!\n"), ("user", "Why?")],
        "<s>[INST] Hi [/INST] Hello! </s><s>[INST] Why? [/INST]",
    ),
    (
        "codellama/CodeLlama-34b-Instruct-hf",
        TALK,
        "<s>[INST] Hi [/INST] Hello! </s><s>[INST] Why? [/INST]",
    ),
    (
        "codellama/CodeLlama-70b-Instruct-hf",
        ANNOUNCED_70B,
        "<s>Source: system\n\n System prompt <step> Source: user\n\n First user query <step> "
        "Source: assistant\n\n Model response to first query <step> Source: user\n\n Second user "
        "query <step> Source: assistant\nDestination: user\n\n ",
    ),
    (
        "codellama/CodeLlama-70b-Instruct-hf",
        [("user", "Hi")],
        "<s>Source: user\n\n Hi <step> Source: assistant\nDestination: user\n\n ",
    ),
    (
        "mistralai/Mistral-7B-Instruct-v0.1",
        TALK,
        "<s>[INST] Hi [/INST]Hello!</s> [INST] Why? [/INST]",
    ),
    (
        "mistralai/Mistral-7B-Instruct-v0.2",
        TALK,
        "<s>[INST] Hi [/INST]Hello!</s>[INST] Why? [/INST]",
    ),
    (
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
        TALK,
        "<s>[INST] Hi [/INST]Hello!</s>[INST] Why? [/INST]",
    ),
    (
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
        WITH_SYSTEM,
        "<s>[INST] Be brief.\n\nHi [/INST]Hello!</s>[INST] Why? [/INST]",
    ),
    (
        "HuggingFaceH4/zephyr-7b-beta",
        WITH_SYSTEM,
        "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello!</s>\n<|user|>\nWhy?</s>"
        "\n<|assistant|>\n",
    ),
    (
        "openchat/openchat-3.5-0106",
        TALK,
        "<s>GPT4 Correct User: Hi<|end_of_turn|>GPT4 Correct Assistant: Hello!<|end_of_turn|>"
        "GPT4 Correct User: Why?<|end_of_turn|>GPT4 Correct Assistant:",
    ),
    (
        "NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO",
        WITH_SYSTEM,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
        "<|im_start|>assistant\n",
    ),
]


def write(model: str, turns: Sequence[tuple[str, str]]) -> str:
    found = find_format([model], lambda token: True)
    assert found is not None
    return found.write([{"role": role, "content": content} for role, content in turns], MARKS)


@pytest.mark.parametrize(("model", "turns", "expected"), GOLDEN)
def test_golden_prompts(model: str, turns: Sequence[tuple[str, str]], expected: str) -> None:
    assert write(model, turns) == expected


@pytest.mark.parametrize("name", ["llama-2", "codellama-70b", "mistral", "mistral-v0.1"])
@pytest.mark.parametrize(
    "roles",
    [
        (),
        ("system",),
        ("assistant",),
        ("user", "user"),
        ("user", "assistant", "assistant"),
        ("user", "system"),
        ("system", "system", "user"),
        ("user", "tool"),
    ],
)
def test_roles_out_of_order_are_refused_in_the_templates_words(
    name: str, roles: Sequence[str]
) -> None:
    found = next(entry for entry in FORMATS if entry.name == name)
    with pytest.raises(TemplateError) as caught:
        found.write([{"role": role, "content": "x"} for role in roles], MARKS)
    assert str(caught.value) == ALTERNATE


@pytest.mark.parametrize("model", ["zephyr-7b-beta", "openchat-3.5-0106", "Nous-Hermes-2-SOLAR"])
def test_unknown_roles_are_refused_by_name(model: str) -> None:
    with pytest.raises(TemplateError, match="critic"):
        write(model, [("critic", "x")])


@pytest.mark.parametrize(
    ("names", "tokens", "expected"),
    [
        (["codellama/CodeLlama-7b-Instruct-hf"], (), "llama-2"),
        (["codellama/CodeLlama-13b-Instruct-hf"], (), "llama-2"),
        (["CodeLlama-70b-Instruct-hf"], (), "codellama-70b"),
        (["codellama/CodeLlama-13b-hf"], (), None),
        (["meta-llama/Llama-2-7b-hf"], (), None),
        (["my-finetune", "mistralai/Mistral-7B-Instruct-v0.2"], (), "mistral"),
        (["mistralai/Mistral-7B-v0.1"], (), None),
        (["openchat/openchat-3.5-0106"], (), None),
        (["openchat/openchat_3.5"], ("<|end_of_turn|>",), "openchat"),
        (["NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO"], (), None),
        (["anything"], ("<|im_start|>", "<|im_end|>"), "chatml"),
        (["starter"], (), None),
    ],
)
def test_models_are_recognised(
    names: Sequence[str], tokens: Sequence[str], expected: str | None
) -> None:
    found = find_format(names, lambda token: token in tokens)
    assert (found.name if found else None) == expected
