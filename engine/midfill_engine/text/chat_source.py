"""Where a model's folder keeps its chat templates and the names of its special tokens.

Hugging Face has them in `chat_template.jinja` (and `additional_chat_templates/NAME.jinja`), before
that in `tokenizer_config.json` as one text or a list of named ones. Called by `chat` once per
loaded model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from midfill_engine.errors import ModelError
from midfill_engine.small_file import read_json, read_text

DEFAULT = "default"
TOOL_USE = "tool_use"


@dataclass(frozen=True, slots=True)
class ChatSource:
    """What a folder says of chat.

    Attributes:
        templates: by name; empty if the model has none.
        special_tokens: `bos_token`, `eos_token`, ... as templates call them.
        own_name: what the model's config calls it, or "".
    """

    templates: Mapping[str, str]
    special_tokens: Mapping[str, str]
    own_name: str

    @classmethod
    def read(cls, folder: Path) -> ChatSource:
        """Read a model folder.

        Raises:
            ModelError: one of the files is there and cannot be read.
        """
        config = _read_object(folder / "tokenizer_config.json")
        names = {**_read_object(folder / "special_tokens_map.json"), **config}
        own_name = _read_object(folder / "config.json").get("_name_or_path")
        return cls(
            templates={**_in_config(config.get("chat_template")), **_in_files(folder)},
            special_tokens=_special_tokens(names),
            own_name=own_name if isinstance(own_name, str) else "",
        )


def _in_config(value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {DEFAULT: value}
    entries = cast("list[object]", value) if isinstance(value, list) else []
    found: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, dict):
            named = cast("dict[str, object]", entry)
            name, template = named.get("name"), named.get("template")
            if isinstance(name, str) and isinstance(template, str):
                found[name] = template
    return found


def _in_files(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    main = folder / "chat_template.jinja"
    if main.is_file():
        found[DEFAULT] = _read_text(main)
    others = folder / "additional_chat_templates"
    for path in sorted(others.glob("*.jinja")):
        found[path.stem] = _read_text(path)
    return found


def _special_tokens(names: Mapping[str, object]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in names.items():
        text = cast("dict[str, object]", value).get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            found[name] = text
    return found


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value: object = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable JSON ({error}): download it again") from error
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read_text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not readable text ({error}): download it again") from error
