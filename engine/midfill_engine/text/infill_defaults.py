"""How a model wants to be asked to infill: `infill.json` in its folder.

    {"order": "spm", "heal": true, "line_start": "middle", "max_tokens": 1024}

Every key may be absent, and so may the file, as it is in any model of the Hub. Called by `serve`
once per loaded model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

from midfill_engine.errors import ModelError
from midfill_engine.small_file import read_json
from midfill_engine.text.families import InfillFamily, Order

LineStart: TypeAlias = Literal["prefix", "middle"]

FILE_NAME = "infill.json"
_LEAST_TOKENS = 64


@dataclass(frozen=True, slots=True)
class InfillDefaults:
    """What holds where a request does not say.

    Attributes:
        order: None takes the family's own.
        heal: whether the token that the cursor stands in may be written anew (`text.heal`). Off
            unless a model's file says so, so that prompts are the ids which its makers published.
        line_start: where the current line's start goes in order `psm`: with the prefix, or behind
            the middle's sentinel, as llama.vim does, where typing only appends.
        max_tokens: of a prompt: longer ones gain the model nothing. None: nothing is known of that.
    """

    order: Order | None = None
    heal: bool = False
    line_start: LineStart = "prefix"
    max_tokens: int | None = None

    @classmethod
    def read(cls, folder: Path, family: InfillFamily | None) -> InfillDefaults:
        """Read a model folder's file.

        Raises:
            ModelError: the file is not a JSON object, has an unknown key or a wrong value, or
                names an order that the family does not know.
        """
        path = folder / FILE_NAME
        values = _read_object(path)
        for key in values:
            if key not in cls.__dataclass_fields__:
                known = ", ".join(cls.__dataclass_fields__)
                raise ModelError(f"{path}: unknown key {key!r}; the keys are {known}")
        orders: tuple[str, ...] = get_args(Order) if family is None else family.orders
        order = _choice(path, values, "order", orders)
        heal = values.get("heal", False)
        if not isinstance(heal, bool):
            raise ModelError(f"{path}: `heal` is {heal!r} and must be true or false")
        line_start = _choice(path, values, "line_start", get_args(LineStart))
        max_tokens: object = values.get("max_tokens")
        if max_tokens is not None and (type(max_tokens) is not int or max_tokens < _LEAST_TOKENS):
            told = f"{max_tokens!r} and must be a whole number, {_LEAST_TOKENS} or more"
            raise ModelError(f"{path}: `max_tokens` is {told}")
        start = cast("LineStart", line_start or "prefix")
        return cls(cast("Order | None", order), heal, start, max_tokens)


def _choice(path: Path, values: dict[str, Any], key: str, choices: tuple[str, ...]) -> str | None:
    if key not in values:
        return None
    value = values[key]
    if value not in choices:
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise ModelError(f"{path}: `{key}` is {value!r} and must be {known} for this model")
    return cast("str", value)


def _read_object(path: Path) -> dict[str, Any]:
    remedy = "correct it or remove it"
    try:
        value: object = read_json(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not readable JSON ({error}): {remedy}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} does not hold a JSON object: {remedy}")
    return cast("dict[str, Any]", value)
