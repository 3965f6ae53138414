"""Tiny models that chat: the tiny tokenizer with ChatML's tokens and a template."""

from __future__ import annotations

import json
from pathlib import Path

from midfill_engine.text.chat import Chat
from midfill_engine.text.tokenizer import Tokenizer
from tests.engine.text.chat_vocabularies import CHATML, TOOLS
from tests.engine.tiny import write_tiny_model, write_tiny_tokenizer

CHAT_TOKENS = ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>")


def write_chat_tokenizer(folder: Path, template: str | None = CHATML) -> Path:
    """Adds the tokens, inside the tiny models' embedding, and the template."""
    write_tiny_tokenizer(folder)
    path = folder / "tokenizer.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    first = 1 + max(token["id"] for token in spec["added_tokens"])
    special = spec["added_tokens"][0]
    for idx, name in enumerate(CHAT_TOKENS):
        spec["added_tokens"].append({**special, "id": first + idx, "content": name})
    path.write_text(json.dumps(spec), encoding="utf-8")
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def write_chat_model(folder: Path, template: str | None = TOOLS) -> Path:
    """A whole model, random."""
    write_tiny_model(folder, "codellama")
    return write_chat_tokenizer(folder, template)


def load_chat(
    folder: Path, template: str | None = CHATML, name: str = "owner/tiny"
) -> tuple[Tokenizer, Chat | None]:
    """A tokenizer and its chat format."""
    tokenizer = Tokenizer.load(write_chat_tokenizer(folder, template))
    return tokenizer, Chat.find(folder, tokenizer, name)
