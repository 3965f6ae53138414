"""What an answer has to obey, in the notations that requests come in, and as llguidance reads it.

Pure text; called by `constrain`, built by `serve`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from llguidance import regex_to_lark
from llguidance.gbnf_to_lark import gbnf_to_lark

from midfill_engine.errors import GrammarError
from midfill_engine.exec.gbnf import spelled

GrammarKind: TypeAlias = Literal["json_schema", "regex", "gbnf", "lark"]

MAX_SOURCE_CHARS = 65_536
"""Of a grammar's text. The slowest found below it takes 1.5 s of one core to compile."""
_OPTIONS = '%llguidance {"no_forcing": true}\n'
"""Without it a text that is certain may only come in the tokenizer's own tokens; the masks would
then hang on the tokenizer, and a megabyte of certain text would be written in one step."""
_ASCII_CLASSES = "dws"
"""`\\d`, `\\w` and `\\s` mean ASCII only, as in TGI (outlines), and not every script's digits."""
_WHITESPACE = r" |\n{1,2}[ \t]{0,20}"
"""Between JSON's tokens, as llama.cpp has it: an unbounded run is where small models get lost."""


@dataclass(frozen=True, slots=True)
class GrammarSource:
    """What an answer has to obey, as text.

    Attributes:
        kind: the language of `text`; `lark` is llguidance's variant of Lark.
        text: the grammar; as JSON for `json_schema`.
    """

    kind: GrammarKind
    text: str

    @classmethod
    def json_schema(cls, schema: object) -> GrammarSource:
        """The answer is JSON of a schema, given as parsed JSON."""
        return cls("json_schema", json.dumps(schema))

    @classmethod
    def json_object(cls) -> GrammarSource:
        """The answer is any JSON object."""
        return cls.json_schema({"type": "object"})

    def program(self, prefix: str) -> str:
        """What llguidance compiles: the grammar, behind a text that is repeated first.

        Raises:
            GrammarError: it cannot be written so.
        """
        parts = [{"name": "answer", "lark_grammar": _OPTIONS + self._lark()}]
        if prefix:
            first = f"{_OPTIONS}start: {json.dumps(prefix)} @answer\n"
            parts.insert(0, {"name": "prefix", "lark_grammar": first})
        return json.dumps({"grammars": parts})

    def _lark(self) -> str:
        """The same grammar in llguidance's Lark; its names stay its own behind a prefix.

        Raises:
            GrammarError: it cannot be written so.
        """
        if self.kind == "json_schema":
            return f"start: json\njson: %json {_with_options(self.text)}\n"
        if self.kind == "regex":
            return f"start: /{regex_to_lark(self.text, _ASCII_CLASSES)}/\n"
        return _from_gbnf(self.text) if self.kind == "gbnf" else self.text


def _with_options(schema_text: str) -> str:
    """The schema with our whitespace, unless it brings options of its own."""
    schema: Any = json.loads(schema_text)
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise GrammarError("a JSON schema must be an object")
    return json.dumps({"x-guidance": {"whitespace_pattern": _WHITESPACE}, **schema})


def _from_gbnf(text: str) -> str:
    prepared = spelled(text)
    try:
        return _converted(prepared)
    except GrammarError:
        return _converted(text)  # which fails too, and tells it in the user's own names


def _converted(text: str) -> str:
    try:
        lark = gbnf_to_lark(text)
    except Exception as error:  # GbnfToLarkError and whatever its parser trips over
        raise GrammarError(one_line(str(error))) from None
    return re.sub(r"(?m)^%llguidance .*$", "", lark)


def one_line(error: str) -> str:
    """The library's reason without places in a text that the user never saw."""
    lines = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason given"]
    told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return _PLACES.sub("", (told or lines)[0])[:200]


_PLACES = re.compile(r"^((at )?\d+\(\d+\): |failed to (parse|compile) \S+( schema)?: )+")
"""How the library's reasons begin; the places are those of our own text around the user's."""
