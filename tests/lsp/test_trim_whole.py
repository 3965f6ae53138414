"""What a suggestion leaves open where text stands behind it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from midfill_lsp.trim import Trimmer, describe, lexer
from tests.lsp.trimming import GRAMMARS, trimmed

PY, JS = "python", "javascript"


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (
            JS,
            "function f(a) {\n  █\n  return a;\n}\n",
            "if (a) {\n    b();\n  } else {\n    if (c) {\n      d();\n",
            "if (a) {\n    b();\n  } else {\n    if (c) {\n      d();\n    }\n  }",
        ),
        (
            JS,
            "function f(a) {\n  █\n  return a;\n}\n",
            "foo(a, {\n    b: 1,\n    c",
            "foo(a, {\n    b: 1,\n  })",
        ),
        (JS, "function f(a) {\n  █\n  return a;\n}\n", "b();\n  if (a) {\n    c", "b();"),
        (JS, "function f(a) {\n  █\n  return a;\n}\n", "if (a) {\n    c", "if (a) {"),
        (
            JS,
            "function f(a) {\n  █\n  return a;\n}\n",
            "if (a) {\n    if (b) {\n      c",
            "if (a) {",
        ),
        (PY, "def f(a):\n    █\n    return a\n", "if a:\n        c", "if a:"),
        (JS, "function f(a) {\n  █\n}\n", "if (a) {\n    c();\n    d", "if (a) {\n    c();"),
        (
            PY,
            "def f(a):\n    █\n    return a\n",
            "x = [\n        0,\n        1",
            "x = [\n        0,\n    ]",
        ),
        (
            PY,
            "def f(a):\n    █\n    return a\n",
            'x = """\n    a\n    b',
            'x = """\n    a\n    """',
        ),
        (PY, "def f(a):\n    █\n    return a\n", "b()\n    if a:\n        c", "b()"),
        (PY, "def f(a):\n    █\n        b()\n", "if a:\n        c", "if a:"),
        (JS, "function f(a) {\n  █\n    c();\n  }\n}\n", "if (a) {\n    b", "if (a) {"),
    ],
)
def test_a_block_before_code_is_whole(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    prefix, suffix = document.split("█")
    context = describe(prefix, suffix, language_id, grammar=GRAMMARS.load(language_id))
    trimmer = Trimmer(context, is_shown=False)
    trimmer.feed(written)
    assert trimmer.finish(cut_short=True).text == inserted


def test_a_header_that_is_shown_stays_alone() -> None:
    context = describe("function f(a) {\n  ", "\n  return a;\n}\n", JS)
    trimmer = Trimmer(context)
    trimmer.feed("if (a) {\n    c")
    assert trimmer.finish(cut_short=True).text == "if (a) {"


@pytest.mark.parametrize("is_shown", [False, True])
@pytest.mark.parametrize(
    ("language_id", "document", "lines"),
    [
        (PY, "def f(a):\n    █\n    return 1\n", ["if a is None:\n", "        return 0\n"]),
        (JS, "function f(a) {\n  █\n  return 1;\n}\n", ["if (!a) {\n", "    return 0;\n"]),
        ("go", "package a\n\nfunc f() {\n\t█\n\tg()\n}\n", ["if a != nil {\n", "\t\th()\n"]),
    ],
)
def test_a_header_whose_body_is_a_guess_is_suggested(
    language_id: str, document: str, lines: list[str], is_shown: bool
) -> None:
    """A guard above a `return` is where most of them stand; there was silence."""
    prefix, suffix = document.split("█")
    context = describe(
        prefix, suffix, language_id, grammar=GRAMMARS.load(language_id), min_confidence=0.5
    )
    trimmer = Trimmer(context, is_shown)
    for line, probability in zip(lines, (0.9, 0.2), strict=True):
        trimmer.score(((len(line), math.log(probability)),))
        trimmer.feed(line)
    result = trimmer.finish()
    assert (result.text, result.reason) == (lines[0].rstrip(), "unsure")


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        ("go", "x := foo(█)\n", "&Bar{\n\tA: 1,\n", ""),
        ("go", "x := foo(█)\n", "func() (int, error) {\n", "func() (int, error) {}"),
        (PY, "x = [█]\n", "{\n    'a': 1,\n", ""),
        (PY, "foo(█)\n", "b(c, d=[1, 2], e={\n", "b(c, d=[1, 2])"),
        (JS, "foo(█);\n", "b({\n", ""),
        (JS, "foo(█);\n", '"a, b", {\n', '"a, b"'),
        (JS, "foo(█);\n", "async (a) => {\n", "async (a) => {}"),
        ("rust", "let x = foo(█);\n", "|a| {\n", "|a| {}"),
        ("java", "class A { int x = f(█); }\n", "x -> {\n", "x -> {}"),
    ],
)
def test_a_list_is_not_suggested_as_an_empty_one(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize("language_id", [JS, "php", "lua"])
def test_many_open_brackets_cost_no_more_than_others(
    language_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 characters of them took 32 s: the surroundings were read again for each bracket."""
    num_read, tokens = 0, lexer.tokens

    def counted(text: str, language_id: str) -> Iterator[re.Match[str]]:
        nonlocal num_read
        num_read += len(text)
        return tokens(text, language_id)

    monkeypatch.setattr(lexer, "tokens", counted)
    context = describe("x = [1, 2];\n" * 300 + "f {\n  ", "\n  return 1;\n}\n", language_id)
    words = [str(num * 7919)[::-1] for num in range(100, 400)]
    for written in ("".join(f"a{word}(b[c{{\n    " for word in words), "a(b[c{" * 50 + "\n"):
        trimmer = Trimmer(context, is_shown=False)
        trimmer.feed(written)
        trimmer.finish(cut_short=True)
    assert num_read < 5_000_000, num_read
