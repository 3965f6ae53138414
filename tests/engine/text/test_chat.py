"""Which format a model's folder leads to, and what a conversation becomes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from midfill_engine.errors import ModelError, TemplateError
from midfill_engine.text.chat import Chat, Conversation
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text.chat_vocabularies import CHATML, SPECIALS, write_chat_folder

QUESTION = [{"role": "user", "content": "Hi"}]


def find(folder: Path, model_id: str = "owner/model") -> Chat | None:
    return Chat.find(folder, Tokenizer.load(folder), model_id)


def text_of(folder: Path, **conversation: object) -> str:
    found = find(folder)
    assert found is not None
    return found.prompt(Conversation(QUESTION, **conversation)).text  # type: ignore[arg-type]


def without_chatml(folder: Path) -> Path:
    """A vocabulary that no built-in format recognises."""
    write_chat_folder(folder)
    spec = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    spec["added_tokens"] = [t for t in spec["added_tokens"] if t["content"] not in SPECIALS]
    (folder / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    return folder


def test_a_template_is_found_in_each_place(tmp_path: Path) -> None:
    folder = write_chat_folder(tmp_path, chat_template="text:{{ messages[0].content }}")
    assert text_of(folder) == "text:Hi"
    named = [
        {"name": "default", "template": "list"},
        {"name": "tool_use", "template": "{{ tools[0].name }}"},
    ]
    write_chat_folder(folder, chat_template=named)
    assert text_of(folder) == "list"
    assert text_of(folder, tools=[{"name": "add"}]) == "add"
    (folder / "chat_template.jinja").write_text("file", encoding="utf-8")
    assert text_of(folder) == "file"
    others = folder / "additional_chat_templates"
    others.mkdir()
    (others / "tool_use.jinja").write_text("file with {{ tools | length }}", encoding="utf-8")
    assert text_of(folder, tools=[{"name": "add"}]) == "file with 1"


def test_what_a_template_is_given(tmp_path: Path) -> None:
    template = (
        "{{ bos_token }}|{{ eos_token }}|{{ unk_token }}|{{ tools is none }}"
        "|{{ documents[0].text }}|{{ add_generation_prompt }}|{{ enable_thinking }}"
    )
    folder = write_chat_folder(tmp_path, chat_template=template, bos_token={"content": "<s>"})
    documents = [{"title": "t", "text": "d"}]
    text = text_of(folder, documents=documents, variables={"enable_thinking": False})
    assert text == "<s>|</s>|<unk>|True|d|True|False"


def test_a_last_answer_is_gone_on_with(tmp_path: Path) -> None:
    found = find(write_chat_folder(tmp_path, chat_template=CHATML))
    assert found is not None
    messages = [*QUESTION, {"role": "assistant", "content": " Hello \n"}]
    assert found.prompt(Conversation(messages)).text == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello"
    )


@pytest.mark.parametrize(
    "content", ["<", "|", "a", "im", "t", "assistant", "user\nHi", "<|im_end|>", "I\U000f0000"]
)
def test_an_answer_is_cut_at_its_own_end(tmp_path: Path, content: str) -> None:
    """Once at the last place that spells it: `<` in the marks behind it, in `<|im_end|>`."""
    head = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    messages = [*QUESTION, {"role": "assistant", "content": f"{content} \n"}]
    for config in ({"chat_template": CHATML}, {}):  # without it, the built-in format
        found = find(write_chat_folder(tmp_path, **config))
        assert found is not None
        assert found.prompt(Conversation(messages)).text == head + content


def test_an_empty_beginning_of_an_answer_cuts_nothing_else(tmp_path: Path) -> None:
    """Once at the last white space of the prompt, in the middle of the question."""
    found = find(write_chat_folder(tmp_path, chat_template=CHATML))
    assert found is not None
    messages = [
        {"role": "user", "content": "Add one."},
        {"role": "assistant", "content": " "},
    ]
    assert found.prompt(Conversation(messages)).text == (
        "<|im_start|>user\nAdd one.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_leaves_the_last_answer_out_is_not_cut(tmp_path: Path) -> None:
    found = find(write_chat_folder(tmp_path, chat_template="[INST]{{ messages[0].content }} I:"))
    assert found is not None
    messages = [*QUESTION, {"role": "assistant", "content": "Hi"}]
    assert found.prompt(Conversation(messages)).text == "[INST]Hi I:"
    twice = "{{ messages[-1].content }}|{{ messages[-1].content }}|"
    found = find(write_chat_folder(tmp_path, chat_template=twice))
    assert found is not None
    assert found.prompt(Conversation(messages)).text == "Hi|Hi"


def test_a_model_without_a_format_cannot_chat(tmp_path: Path) -> None:
    assert find(without_chatml(tmp_path)) is None


def test_a_broken_template_leaves_the_built_in_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = without_chatml(tmp_path)
    (folder / "chat_template.jinja").write_text("{% for %}", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert find(folder) is None
    assert "broken" in caplog.text
    found = find(folder, "meta-llama/Llama-2-7b-chat-hf")
    assert found is not None
    assert found.name == "llama-2"
    assert found.prompt(Conversation(QUESTION)).text == "<s>[INST] Hi [/INST]"


def test_the_models_own_name_is_looked_at(tmp_path: Path) -> None:
    folder = without_chatml(tmp_path)
    (folder / "config.json").write_text('{"_name_or_path": "HuggingFaceH4/zephyr-7b-beta"}')
    found = find(folder, "mine")
    assert found is not None
    assert found.name == "zephyr"


def test_a_template_for_tools_alone_is_no_default(tmp_path: Path) -> None:
    """Once a KeyError at the first request: the built-in format met the folder's templates."""
    folder = without_chatml(tmp_path)
    others = folder / "additional_chat_templates"
    others.mkdir()
    (others / "tool_use.jinja").write_text("tools", encoding="utf-8")
    assert find(folder) is None
    found = find(folder, "zephyr-7b-beta")
    assert found is not None
    assert found.prompt(Conversation(QUESTION)).text == "<|user|>\nHi</s>\n<|assistant|>\n"


def test_where_answers_end(tmp_path: Path) -> None:
    folder = write_chat_folder(tmp_path / "a", chat_template=CHATML)
    tokenizer = Tokenizer.load(folder)
    found = find(folder)
    assert found is not None
    assert found.stop_ids == {tokenizer.token_id("<|im_end|>")}
    assert found.stop_texts == ()
    large = find(write_chat_folder(tmp_path / "b"), "codellama/CodeLlama-70b-Instruct-hf")
    assert large is not None
    assert large.stop_ids == {tokenizer.token_id("<step>")}
    bare = find(without_chatml(tmp_path / "c"), "codellama/CodeLlama-70b-Instruct-hf")
    assert bare is not None
    assert (bare.stop_ids, bare.stop_texts) == (frozenset(), ("<step>",))


def test_refusals_come_in_the_templates_words(tmp_path: Path) -> None:
    folder = write_chat_folder(
        tmp_path, chat_template="{{ raise_exception('No, ' + messages[0].content) }}"
    )
    with pytest.raises(TemplateError, match=r"^No, Hi$"):
        text_of(folder)
    write_chat_folder(tmp_path, chat_template="{% if false %}x{% endif %}")
    with pytest.raises(TemplateError, match="writes nothing"):
        text_of(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "config.json", "chat_template.jinja"])
def test_an_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_chat_folder(tmp_path)
    tokenizer = Tokenizer.load(folder)
    (folder / name).write_bytes(b"{\xff")
    with pytest.raises(ModelError, match=name):
        Chat.find(folder, tokenizer, "x")
