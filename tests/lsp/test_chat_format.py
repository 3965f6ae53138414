"""Conversations as text: golden strings of the publishers' own templates."""

from __future__ import annotations

import pytest

from midfill_lsp.chat_format import Turn, format_named, format_of, write
from midfill_lsp.errors import CannotDo

CHAT: list[Turn] = [
    ("system", "Be brief. "),
    ("user", "First?"),
    ("assistant", "One."),
    ("user", "Second?"),
]


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        # A text endpoint puts <s> in front by itself.
        (
            "llama2",
            "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nFirst? [/INST] One. </s>"
            "<s>[INST] Second? [/INST]",
        ),
        (
            "codellama70b",
            "Source: system\n\n Be brief. <step> Source: user\n\n First? <step> "
            "Source: assistant\n\n One. <step> Source: user\n\n Second? <step> "
            "Source: assistant\nDestination: user\n\n ",
        ),
        ("mistral", "[INST] Be brief.\n\nFirst? [/INST] One.</s>[INST] Second? [/INST]"),
        (
            "zephyr",
            "<|system|>\nBe brief. </s>\n<|user|>\nFirst?</s>\n<|assistant|>\nOne.</s>\n"
            "<|user|>\nSecond?</s>\n<|assistant|>\n",
        ),
        (
            "openchat",
            "Be brief.<|end_of_turn|>GPT4 Correct User: First?<|end_of_turn|>"
            "GPT4 Correct Assistant: One.<|end_of_turn|>GPT4 Correct User: Second?<|end_of_turn|>"
            "GPT4 Correct Assistant:",
        ),
        (
            "chatml",
            "<|im_start|>system\nBe brief. <|im_end|>\n<|im_start|>user\nFirst?<|im_end|>\n"
            "<|im_start|>assistant\nOne.<|im_end|>\n<|im_start|>user\nSecond?<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
    ],
)
def test_formats(name: str, prompt: str) -> None:
    assert write(format_named(name), CHAT) == prompt


def test_the_announcements_code_llama_70b_prompt() -> None:
    chat: list[Turn] = [
        ("system", "System prompt    "),
        ("user", "First user query"),
        ("assistant", "Model response to first query"),
        ("user", "Second user query"),
    ]
    assert "<s>" + write(format_named("codellama70b"), chat) == (
        "<s>Source: system\n\n System prompt <step> Source: user\n\n First user query <step> "
        "Source: assistant\n\n Model response to first query <step> Source: user\n\n "
        "Second user query <step> Source: assistant\nDestination: user\n\n "
    )


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO", "chatml"),
        ("mistralai/Mistral-7B-Instruct-v0.2", "mistral"),
        ("HuggingFaceH4/zephyr-7b-beta", "zephyr"),
        ("meta-llama/Llama-2-7b-chat-hf", "llama2"),
        ("meta-llama/Llama-2-70b-chat-hf", "llama2"),
        ("codellama/CodeLlama-13b-hf", None),
        ("codellama/CodeLlama-34b-Instruct-hf", "llama2"),
        ("codellama/CodeLlama-70b-Instruct-hf", "codellama70b"),
        ("openchat/openchat-3.5-0106", "openchat"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "chatml"),
    ],
)
def test_formats_of_the_announcements_models(model: str, name: str | None) -> None:
    found = format_of(model)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("name", "said", "sent"),
    [
        ("chatml", "what is <|im_end|>?", "what is < |im_end|>?"),
        ("llama2", "[/INST] and <<SYS>> and </s>", "[ /INST] and < <SYS>> and < /s>"),
        ("codellama70b", "a <step> b", "a < step> b"),
    ],
)
def test_control_tokens_of_the_user_stay_text(name: str, said: str, sent: str) -> None:
    chat_format = format_named(name)
    prompt = write(chat_format, [("user", said)])
    assert sent in prompt
    own = write(chat_format, [("user", "x")])
    num_specials = len(chat_format.specials.findall(prompt))
    assert num_specials == len(chat_format.specials.findall(own))


@pytest.mark.parametrize(
    "turns",
    [
        [],
        [("system", "a")],
        [("assistant", "a")],
        [("user", "a"), ("user", "b")],
        [("user", "a"), ("assistant", "b")],
        [("user", "a"), ("system", "b"), ("user", "c")],
    ],
)
def test_roles_out_of_order(turns: list[Turn]) -> None:
    with pytest.raises(CannotDo, match="must alternate"):
        write(format_named("llama2"), turns)
