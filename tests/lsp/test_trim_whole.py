"""What a suggestion leaves open where text stands behind it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest

from midfill_lsp.trim import Trimmer, describe, lexer
from tests.lsp.trimming import GRAMMARS, trimmed

PY, JS = "python", "javascript"
METHODS = "".join(f"  method{num}() {{\n    return {num};\n  }}\n" for num in range(200))
PYTHON_BELOW = '\n\ndef g(a):\n    """Do more."""\n    return a\n'


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


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        ("c", "static T a[] = {\n    █ 1},\n" + '    {"q", 1},\n' * 400 + "};\n", '{"b",'),
        ("json", "[\n  █ 2},\n" + '  {"a": 1},\n' * 400 + "  {}\n]\n", '{"b":'),
        (JS, f"class A {{\n  m() {{\n    return █ b: 2 }};\n  }}\n{METHODS}}}\n", "{ a: 1,"),
        (
            JS,
            f"class A {{\n  m() {{\n    █\n      b();\n    }}\n  }}\n{METHODS}}}\n",
            "a();\n    if (x) {",
        ),
    ],
)
def test_a_bracket_whose_closer_is_far_below_is_no_reason_to_close_another(
    language_id: str, document: str, written: str
) -> None:
    """The rest of the line closes what the text opens, and the end of the list is out of sight."""
    assert trimmed(language_id, document, f"{written}\n").text == written


def test_a_call_is_closed_in_a_long_list_too() -> None:
    document = f"class A {{\n  m() {{\n    f(█);\n  }}\n{METHODS}}}\n"
    assert trimmed(JS, document, "g(1\n").text == "g(1)"


@pytest.mark.parametrize(
    ("document", "written"),
    [
        (
            'def f(a):\n    """Do.\n\n    █\n    return a\n' + PYTHON_BELOW,
            'Whatever it is.\n    """\n    if a is None:\n        init()',
        ),
        ('def f(a):\n    █\n    It is.\n    """\n    return a\n', '"""Return a.\n'),
    ],
)
def test_a_docstring_is_ended_once(document: str, written: str) -> None:
    prefix, suffix = document.split("█")
    above = '    """\n' + "".join(f"def f{num}(a):\n    return a\n" for num in range(300))
    for before in ("", above):  # read from within a docstring, strings are code and code strings
        context = describe(before + prefix, suffix, PY, "block", GRAMMARS.load(PY))
        trimmer = Trimmer(context, is_shown=False)
        trimmer.feed(f"{written}\n{suffix[1:]}")
        assert trimmer.finish().text == written.rstrip()


def test_a_comment_that_the_document_ends_is_ended_once() -> None:
    document = "class A {\n  █\n   * Does it.\n   */\n  f() {}\n}\n"
    assert trimmed(JS, document, "/**\n   * Does it.\n").text == "/**"


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
