"""Tool calls are read out of answers, however they are cut; what is no call stays text."""

from __future__ import annotations

import json
from contextlib import nullcontext

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_engine.errors import ToolError, ValidationError
from midfill_engine.serve.parse import Fields, Json
from midfill_engine.serve.tool_calls import (
    CLOSINGS,
    MARKS,
    AnswerReader,
    CallArguments,
    CallStart,
    Part,
)
from midfill_engine.serve.tools import Tools, read_tools


def tool(name: str, **parameters: object) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


ADD = tool("add", type="object", properties={"a": {"type": "integer"}}, required=["a"])
GET = tool("get")
AUTO = Tools((ADD, GET), "auto")
FORCED = Tools((ADD, GET), "required")


def read(tools: Tools, text: str, size: int = 3) -> list[Part]:
    """The parts of an answer that comes in pieces, neighbours of a kind joined."""
    reader = AnswerReader(tools)
    pieces = [text[idx : idx + size] for idx in range(0, len(text), size)]
    parts = [part for piece in pieces for part in reader.feed(piece)]
    joined: list[Part] = []
    for part in (*parts, *reader.finish()):
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        elif isinstance(part, CallArguments) and isinstance(last, CallArguments):
            joined[-1] = CallArguments(last.text + part.text)
        else:
            joined.append(part)
    return joined


CALL: list[Part] = [CallStart("add"), CallArguments('{"a": 1}')]
GET_CALL: list[Part] = [CallStart("get"), CallArguments("{}")]


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"name": "add", "arguments": {"a": 1}}', CALL),
        (' \n{"name": "add", "parameters": {"a": 1}}\n', CALL),
        ('{"name": "add", "arguments": "{\\"a\\": 1}"}', CALL),
        ('{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}', CALL),
        ('[{"name": "add", "arguments": {"a": 1}}, {"name": "get"}]', CALL + GET_CALL),
        ('[TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}]', CALL),
        (
            '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n'
            '<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>',
            CALL + GET_CALL,
        ),
        ('Let me see. <tool_call>{"name": "get"}</tool_call>', ["Let me see. ", *GET_CALL]),
        ('<|python_tag|>{"name": "get", "parameters": {}}<|eom_id|>', GET_CALL),
    ],
)
def test_calls_are_found(text: str, expected: list[Part], size: int) -> None:
    assert read(AUTO, text, size) == expected


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "Hello",
        "a < b, <tool",
        '{"name": "unknown", "arguments": {}}',
        '{"name": "add", "arguments": {"a": 1',
        '{"name": "add"} and more',
        "{}",
        "[1, 2]",
        "[link](x)",
        "[",
        "<tool_call>nonsense</tool_call>",
        '{"name": ["add"]}',
        '{"name": "add", "arguments": 5}',  # once a call with arguments that are no object
        '{"name": "add", "arguments": [{"a": 1}]}',
        '[{"name": "add", "arguments": false}]',
        '{"name": "add", "arguments": {"a": NaN}}',  # once arguments that are no JSON
        '{"name": "add", "arguments": {"a": [-Infinity]}}',
        '{"name": "add", "arguments": {"a": 1e999}}',
    ],
)
def test_what_is_no_call_stays_text(text: str, size: int) -> None:
    assert "".join(str(part) for part in read(AUTO, text, size)) == text


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("mark", [*MARKS, *CLOSINGS])
def test_marks_in_arguments_stay(mark: str, size: int) -> None:
    """Once they were blanks, and the file or the search that they stood in another one."""
    arguments = json.dumps({"text": f"use {mark} here"})
    call = f'{{"name": "add", "arguments": {arguments}}}'
    for text in (call, f"<tool_call>{call}</tool_call>", f"[TOOL_CALLS][{call}]"):
        assert read(AUTO, text, size) == [CallStart("add"), CallArguments(arguments)]


@pytest.mark.parametrize("arguments", [r'{"a": "\ud83d"}', r'"{\"a\": \"\ud83d\"}"'])
def test_half_a_surrogate_pair_is_no_character(arguments: str) -> None:
    """It could not be written, and the whole reply was lost."""
    start, found = read(AUTO, f'{{"name": "add", "arguments": {arguments}}}')
    assert start == CallStart("add")
    assert isinstance(found, CallArguments)
    found.text.encode()


def test_text_is_shown_as_it_comes() -> None:
    reader = AnswerReader(AUTO)
    assert list(reader.feed(" Hi")) == [" Hi"]
    assert list(reader.feed(" <")) == [" "]
    assert list(reader.feed("b>")) == ["<b>"]
    assert list(AnswerReader(Tools()).feed('{"name"')) == ['{"name"']


def test_arguments_of_a_forced_call_stream() -> None:
    reader = AnswerReader(FORCED)
    assert list(reader.feed('{"name": "ad')) == []
    assert list(reader.feed('d", "arguments": {"a')) == [CallStart("add"), CallArguments('{"a')]
    assert list(reader.feed('": "}')) == [CallArguments('": "}')]
    assert list(reader.feed('\\""}} ')) == [CallArguments('\\""}')]
    assert list(reader.finish()) == []


def test_a_forced_call_that_was_cut_is_shown_as_it_is() -> None:
    assert read(FORCED, '{"name": "ad') == ['{"name": "ad']
    assert read(FORCED, '{"name":"add","arguments":{"a"') == [
        CallStart("add"),
        CallArguments('{"a"'),
    ]


_VALUES = st.recursive(
    st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(arguments=_VALUES, size=st.integers(1, 9), indent=st.sampled_from([None, 1]))
@settings(deadline=None, max_examples=60)
def test_any_arguments_are_read_whole(arguments: object, size: int, indent: int | None) -> None:
    text = json.dumps({"name": "add", "arguments": arguments}, indent=indent)
    is_call = arguments is None or type(arguments) in (str, dict)
    assert is_call or read(AUTO, text, size) == [text]
    for tools in (AUTO, FORCED) if is_call else (FORCED,):
        start, found = read(tools, text, size)
        assert start == CallStart("add")
        assert isinstance(found, CallArguments)
        expected = arguments
        if tools is AUTO and isinstance(arguments, str):
            assert found.text == arguments
        elif tools is AUTO and arguments is None:
            assert found.text == "{}"
        else:
            assert json.loads(found.text) == expected


def read_fields(**body: object) -> Tools:
    return read_tools(Fields(body))


def test_choices() -> None:
    tools = [ADD, GET]
    named = {"type": "function", "function": {"name": "get"}}
    assert read_fields() == Tools()
    assert read_fields(tools=tools).choice == "auto"
    assert read_fields(tools=tools, tool_choice="none") == Tools()
    assert read_fields(tools=tools, tool_choice="required").names == {"add", "get"}
    for choice in (named, "get", {"function": {"name": "get"}}):
        found = read_fields(tools=tools, tool_choice=choice)
        assert found.choice == "required"
        assert found.names == {"get"}


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ({"tools": [ADD], "tool_choice": "sub"}, ToolError, "sub not found"),
        ({"tool_choice": "required"}, ToolError, "no `tools`"),
        ({"tools": [ADD], "tool_choice": 3}, ValidationError, "tool_choice"),
        ({"tools": {}}, ValidationError, "`tools` must be a list"),
        ({"tools": [3]}, ValidationError, r"tools\[0\]"),
        ({"tools": [{"type": "web_search"}]}, ValidationError, r"tools\[0\]"),
        ({"tools": [tool("a b")]}, ValidationError, r"tools\[0\]\.function\.name"),
        ({"tools": [ADD, ADD]}, ValidationError, "same name"),
        ({"tools": [ADD] * 129}, ValidationError, "up to 128"),
        ({"functions": [ADD]}, ValidationError, "functions"),
        (
            {"tools": [{"function": {"name": "a", "parameters": 3}}]},
            ValidationError,
            r"tools\[0\]\.function\.parameters",
        ),
    ],
)
def test_refusals(body: Json, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_fields(**body)


def test_tgis_name_of_parameters_is_known() -> None:
    function = {"name": "a", "description": "d", "arguments": {"type": "object"}}
    found = read_fields(tools=[{"type": "function", "function": function}])
    assert found.functions[0]["function"] == {
        "name": "a",
        "description": "d",
        "parameters": {"type": "object"},
    }


def test_the_schema_of_a_call() -> None:
    linked = tool(
        "link",
        type="object",
        properties={"next": {"$ref": "#/$defs/node"}, "me": {"$ref": "#"}},
        **{"$defs": {"node": {"type": "integer"}}},
    )
    bare = tool("bare", properties={"a": {"$ref": "#"}})
    either = tool("either", anyOf=[{"type": "object"}, {"type": "null"}])
    schema = Tools((ADD, linked, GET, bare, either), "required").schema()
    for name, arguments, is_valid in (
        ("add", {"a": 1}, True),
        ("link", {"next": 1, "me": {"next": 2}}, True),
        ("add", {"b": 1}, False),
        ("link", {"next": "x"}, False),
        ("link", {"me": {"next": "x"}}, False),
        ("sub", {"a": 1}, False),
        ("add", None, False),
        ("get", {"any": 1}, True),
        ("get", 5, False),  # once taken: a schema without a type describes every value
        ("bare", {"a": {"b": 1}}, True),
        ("bare", [1], False),
        ("bare", {"a": 5}, False),
        ("either", None, True),
    ):
        call: Json = {"name": name, "arguments": arguments}
        with nullcontext() if is_valid else pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(call, schema)


def test_a_format_without_tools_is_told_of_them_as_text() -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    messages: list[Json] = [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "2"},
        {"role": "tool", "content": "3"},
    ]
    told = Tools((GET,), "auto", "Use:").told(messages)
    assert [message["role"] for message in told] == ["user", "assistant", "user"]
    assert told[1]["content"] == '{"name": "add", "arguments": {"a": 1}}'
    assert told[2]["content"] == (
        "Result of the call: 2\nResult of the call: 3\n---\nUse:\n"
        '[{"name": "get", "parameters": {}}]'
    )
    assert Tools().told(messages[:1]) == messages[:1]
