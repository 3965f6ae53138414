"""The ids that begin and end a text, read from the files beside `tokenizer.json`.

Called by `tokenizer` only. Hugging Face spreads them over `tokenizer_config.json` (names),
`config.json` and `generation_config.json` (ids, one or a list), and none of the three need exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from midfill_engine.errors import ModelError
from midfill_engine.small_file import read_json
from midfill_engine.text.pieces import steps_of

TokenId: TypeAlias = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Beginning and end of a text, as token ids."""

    bos_id: int | None
    adds_bos: bool
    eos_ids: frozenset[int]

    @classmethod
    def read(cls, folder: Path, spec: Mapping[str, Any], token_id: TokenId) -> SpecialIds:
        """Read a model folder; `spec` is its parsed `tokenizer.json`.

        Raises:
            ModelError: one of the files is there and is not a JSON object.
        """
        named = _read_object(folder / "tokenizer_config.json")
        config = _read_object(folder / "config.json")
        generation = _read_object(folder / "generation_config.json")
        bos_id = _named_id(named.get("bos_token"), token_id)
        if bos_id is None:
            bos_id = next(iter(_ids(config.get("bos_token_id"))), None)
        eos_ids = {*_ids(config.get("eos_token_id")), *_ids(generation.get("eos_token_id"))}
        eos_id = _named_id(named.get("eos_token"), token_id)
        if eos_id is not None:
            eos_ids.add(eos_id)
        adds_bos = named.get("add_bos_token")
        if not isinstance(adds_bos, bool):
            adds_bos = bos_id is not None and _template_starts_with(spec, bos_id)
        return cls(bos_id, adds_bos and bos_id is not None, frozenset(eos_ids))


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value: object = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable JSON ({error}): download it again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} does not hold a JSON object: download it again")
    return cast("dict[str, Any]", value)


def _named_id(value: object, token_id: TokenId) -> int | None:
    """The id of a token named as a string or as an `AddedToken` object."""
    name = cast("dict[str, object]", value).get("content") if isinstance(value, dict) else value
    return token_id(name) if isinstance(name, str) else None


def _ids(value: object) -> list[int]:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, int) and not isinstance(entry, bool)]


def _template_starts_with(spec: Mapping[str, Any], bos_id: int) -> bool:
    """Whether the post-processor puts the beginning-of-sequence token first."""
    for step in steps_of(spec.get("post_processor"), "processors"):
        if step.get("type") != "TemplateProcessing" or not step.get("single"):
            continue
        first = step["single"][0].get("SpecialToken", {}).get("id")
        known: dict[str, dict[str, list[int]]] = step.get("special_tokens", {})
        if first is not None and bos_id in known.get(first, {}).get("ids", []):
            return True
    return False
