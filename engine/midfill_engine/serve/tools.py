"""The tools of a chat request: which there are, which may or must be called, and in what form.

Called by `chat_request`. A model whose template has no place for tools is told of them in the last
message, as TGI does it. A call that must come is constrained to `{"name": ..., "arguments": ...}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from midfill_engine.errors import ToolError
from midfill_engine.serve.parse import Fields, Json, invalid

Choice: TypeAlias = Literal["none", "auto", "required"]

TOOL_PROMPT: Final = (
    "You can call one of the functions below. To call one, answer with nothing but a JSON object "
    '{"name": the function\'s name, "arguments": an object with its arguments}.'
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_TOOLS: Final = 128
_KINDS: Final = ("type", "$ref", "anyOf", "oneOf", "allOf")
"""Where a schema says what kind of value it describes; without any it describes every kind."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What may be called.

    Attributes:
        functions: the tools that count, in OpenAI's form: with a named choice only that one.
        choice: whether a call may come, must come, or neither.
        prompt: what precedes the list where the model's template has no place for it.
    """

    functions: tuple[Json, ...] = ()
    choice: Choice = "none"
    prompt: str = TOOL_PROMPT

    @property
    def names(self) -> frozenset[str]:
        """The functions' names."""
        return frozenset(tool["function"]["name"] for tool in self.functions)

    def schema(self) -> Json:
        """JSON schema of one call."""
        definitions: Json = {}
        calls = [_call_schema(tool["function"], definitions) for tool in self.functions]
        schema: Json = calls[0] if len(calls) == 1 else {"anyOf": calls}
        return {**schema, "$defs": definitions} if definitions else schema

    def told(self, messages: Sequence[Json]) -> list[Json]:
        """The conversation for a format that knows no tools: calls, results and tools as text."""
        spelled = _spelled_out(messages)
        if self.functions:
            functions = [tool["function"] for tool in self.functions]
            listed = json.dumps(functions, ensure_ascii=False)
            last = spelled[-1]
            spelled[-1] = {**last, "content": f"{last['content']}\n---\n{self.prompt}\n{listed}"}
        return spelled


def read_tools(fields: Fields) -> Tools:
    """`tools`, `tool_choice`, `tool_prompt`.

    Raises:
        ValidationError: a tool is malformed.
        ToolError: the choice names none of them.
    """
    fields.refuse("functions", "function_call")
    functions = _functions(fields.raw("tools"))
    choice, name = _choice(fields.raw("tool_choice"))
    if name is not None:
        named = [tool for tool in functions if tool["function"]["name"] == name]
        if not named:
            raise ToolError(f"Tool error: Tool with name {name[:64]} not found")
        functions = named
    if choice == "required" and not functions:
        raise ToolError("Tool error: `tool_choice` demands a call, and there are no `tools`")
    if not functions or choice == "none":
        return Tools()
    return Tools(tuple(functions), choice, fields.text("tool_prompt") or TOOL_PROMPT)


def _choice(value: object) -> tuple[Choice, str | None]:
    """The choice, and the one function that it names; TGI takes a bare name too."""
    if value is None or value == "auto":
        return "auto", None
    if value == "none":
        return "none", None
    if value in ("required", "any"):
        return "required", None
    if isinstance(value, str):
        return "required", value
    function: object = cast("Json", value).get("function") if isinstance(value, dict) else None
    name = cast("Json", function).get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise invalid(
            '`tool_choice` must be "auto", "none", "required" or '
            '{"type": "function", "function": {"name": ...}}'
        )
    return "required", name


def _functions(value: object) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid("`tools` must be a list")
    entries = cast("list[object]", value)
    if len(entries) > _MAX_TOOLS:
        raise invalid(f"`tools` supports up to {_MAX_TOOLS} tools. Given: {len(entries)}")
    found = [_function(entry, f"tools[{idx}]") for idx, entry in enumerate(entries)]
    names = [tool["function"]["name"] for tool in found]
    if len(set(names)) < len(names):
        raise invalid("`tools` must not hold two functions of the same name")
    return found


def _function(value: object, place: str) -> Json:
    tool = cast("Json", value) if isinstance(value, dict) else {}
    function: object = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, dict):
        raise invalid(f"`{place}` must be an object with `type` function and `function`")
    named = cast("Json", function)
    name, description = named.get("name"), named.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(f"`{place}.function.name` must be 1 to 64 letters, digits, _, - or .")
    if description is not None and not isinstance(description, str):
        raise invalid(f"`{place}.function.description` must be a string")
    parameters: object = named.get("parameters", named.get("arguments"))  # TGI calls it so
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, dict):
        raise invalid(f"`{place}.function.parameters` must be a JSON schema")
    told = {} if description is None else {"description": description}
    return {"type": "function", "function": {"name": name, **told, "parameters": parameters}}


def _call_schema(function: Mapping[str, Any], definitions: Json) -> Json:
    """One function's calls; a schema with references keeps a place of its own for them.

    Arguments are an object, also where the schema leaves that out.
    """
    name, arguments = function["name"], function["parameters"]
    if not any(key in arguments for key in _KINDS):
        arguments = {"type": "object", **arguments}
    if "$ref" in json.dumps(arguments):
        definitions[name] = _moved(arguments, f"#/$defs/{name}")
        arguments = {"$ref": f"#/$defs/{name}"}
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _moved(value: object, root: str) -> Any:  # noqa: ANN401  # JSON
    """A schema whose references start at its new place."""
    if isinstance(value, list):
        return [_moved(entry, root) for entry in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    moved: Json = {name: _moved(entry, root) for name, entry in cast("Json", value).items()}
    target = moved.get("$ref")
    if isinstance(target, str) and target.startswith("#"):
        moved["$ref"] = root + target[1:].rstrip("/")
    return moved


def _spelled_out(messages: Sequence[Json]) -> list[Json]:
    """Calls as the assistant's text, results as the user's."""
    spelled: list[Json] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "tool":
            content = f"Result of the call: {content}"
            if spelled and spelled[-1]["role"] == "user":
                spelled[-1] = {"role": "user", "content": f"{spelled[-1]['content']}\n{content}"}
                continue
            role = "user"
        calls = [call["function"] for call in message.get("tool_calls", ())]
        texts = [
            *([content] if content else []),
            *(json.dumps(c, ensure_ascii=False) for c in calls),
        ]
        spelled.append({"role": role, "content": "\n".join(texts)})
    return spelled
