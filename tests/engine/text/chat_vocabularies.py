"""The bundled model's real vocabulary with chat tokens, in each way that models space and match."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from midfill_engine.model.source import STARTER_FOLDER

SPECIALS = ("<|im_start|>", "<|im_end|>", "<|end_of_turn|>", "<step>", "<|user|>", "[INST]")

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{{ message['content'] | trim }}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SEAMS = (  # every content touches text that a merge could join it with
    "{{ bos_token }}{% for message in messages %} re{{ message.content }}turn  "
    "{% if message.role == 'assistant' %}{{ eos_token }}\n{% endif %}{% endfor %}  "
)
TOOLS = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    "<|im_end|>\n{% endif %}"
) + CHATML

Change = Callable[[dict[str, Any]], None]


def _legacy(spec: dict[str, Any]) -> None:
    """Llama 2: a space before each stretch between control tokens."""
    prepend = {"type": "Prepend", "prepend": "▁"}
    spec["normalizer"] = {"type": "Sequence", "normalizers": [prepend, spec["normalizer"]]}


def _first(spec: dict[str, Any]) -> None:
    """Newer Llama-like files: a space before the whole text only."""
    spec["normalizer"] = None
    spec["pre_tokenizer"] = _metaspace("first")


def _always(spec: dict[str, Any]) -> None:
    spec["normalizer"] = None
    spec["pre_tokenizer"] = _metaspace("always")


def _metaspace(scheme: str) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}


def _stripping(spec: dict[str, Any]) -> None:
    """Phi 3: its tokens swallow the white space behind them."""
    for token in spec["added_tokens"]:
        if token["content"] in SPECIALS:
            token["rstrip"] = True


def _normalized(spec: dict[str, Any]) -> None:
    """Old files: a text that only becomes a control token by normalising counts as one."""
    nfkc = {"type": "NFKC"}
    spec["normalizer"] = {"type": "Sequence", "normalizers": [nfkc, spec["normalizer"]]}
    for token in spec["added_tokens"]:
        token["normalized"] = True


KINDS: Mapping[str, Change] = {
    "no space": lambda spec: None,
    "legacy": _legacy,
    "first": _first,
    "always": _always,
    "stripping": _stripping,
    "normalized": _normalized,
}


def write_chat_folder(folder: Path, kind: str = "no space", **config: object) -> Path:
    """A model folder without weights; `config` goes into tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = json.loads((STARTER_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
    template = spec["added_tokens"][0]
    for idx, name in enumerate(SPECIALS):
        spec["added_tokens"].append({**template, "id": 4096 + idx, "content": name})
    KINDS[kind](spec)
    (folder / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
