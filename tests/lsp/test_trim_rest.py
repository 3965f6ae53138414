"""Text behind the cursor, or below the block: what a suggestion must leave whole."""

from __future__ import annotations

import pytest

from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, TrimResult, describe

GRAMMARS = Grammars()
PY, JS, TSX = "python", "javascript", "typescriptreact"


def _trim(language_id: str, document: str, written: str, cut_short: bool = False) -> TrimResult:
    prefix, suffix = document.split("█")
    grammar = GRAMMARS.load(language_id)
    context = describe(prefix, suffix, language_id, grammar=grammar)
    growing, shown = Trimmer(context), ""
    for char in written:
        step = growing.feed(char)
        assert step.text.startswith(shown), "shown text was taken back"
        shown = step.text
    assert growing.finish(cut_short).text.startswith(shown), "shown text was taken back"
    trimmer = Trimmer(context, is_shown=False)
    trimmer.feed(written)
    return trimmer.finish(cut_short)


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (PY, 'print("Hello█ world")\n', ' dear", name)\n', " dear"),
        (PY, 'print("Hello█ world")\n', ' world!")\n', " world!"),
        (PY, 'print("Hello█ world")\n', ' world")\n', ""),
        (PY, 'print("Hello █ world")\n', 'big world", name)\n', "big"),
        (PY, 'log("loaded %d█ items")\n', ' of" % path\n', " of"),
        (PY, 'x = "a" + "█ is here"\n', 'b" + "c"\n', "b"),
        (PY, 'x = f"{a} █ is"\n', '{b}")\n', "{b}"),
        (PY, 'def f():\n    """Return █ of it."""\n', 'the name."""\n', "the name."),
        (PY, 'def f():\n    """Return █\n    """\n', 'the name."""\n', "the name."),
        (JS, 'foo("Hello █ world");\n', '" + name + "\n', '" + name + "'),
        (JS, 'foo("Hello █ world");\n', 'there", name);\n', "there"),
        (JS, "foo(`Hello █ world`);\n", "${name}`);\n", "${name}"),
        (JS, "f('#a{█}').x;\n", "' + b + '}').x;\n", "' + b + '"),
        ("go", 'x := f("a █ b")\n', 'c", x)\n', "c"),
        ("rust", 'println!("a █ b");\n', '{}", x);\n', "{}"),
        ("java", 'log.info("a █ b");\n', 'c" + x);\n', "c"),
        ("shellscript", 'echo "a █ b"\n', '$x"\n', "$x"),
        ("shellscript", 'a="$(b █)" || c\n', '"$d" "$e")" || c\n', '"$d" "$e"'),
        ("json", '{"a": "x █ y"}\n', 'z"}\n', "z"),
        ("html", '<p class="a █ b">\n', 'c">\n', "c"),
        ("html", "<p>Don't █ it's</p>\n", "isn't\n", "isn't"),
        (PY, 'x = (r"█", String)\n', "[0-9]\n", "[0-9]"),
        (PY, 'x = [█[0-9]", String)]\n', '(r"\n', '(r"'),
    ],
)
def test_a_string_is_ended_once(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert _trim(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (JS, "items.forEach(█);\n", "(item) => {\n  log(item);\n});\n", "(item) => {}"),
        (JS, 'app.get("/", █);\n', "function (req, res) {\n", "function (req, res) {}"),
        (JS, "setTimeout(█, 1000);\n", "function() {\n", "function() {}"),
        (TSX, "const A = () => <b>{items.map(█)}</b>;\n", "(item) => (\n", ""),
        (PY, "foo(█)\n", "a(b, [\n", "a(b, [])"),
        (PY, "x = bar(█), b)\n", "foo(a\n", "foo(a"),
        (PY, "foo(█)\n", "a, b\n", "a, b"),
        (JS, "items.map(█);\n", "(x) => x + 1\n", "(x) => x + 1"),
        (JS, "if (█) {\n  a();\n}\n", "x > f(1)\n", "x > f(1)"),
        (JS, "function f() {\n  if (█)\n}\n", "x > 1)\n", "x > 1"),
        (PY, "def f(█)\n", "a, b\n", "a, b"),
        ("go", "package a\n\nfunc f() {\n\tfoo(x, █)\n}\n", "func() bool {\n", "func() bool {}"),
        (PY, "█import os\n", "import os.path\n", ""),
        (PY, "def f(x):\n    █return x\n", "y = 1\n", ""),
        (PY, "return █  # why\n", "a  # because\n", "a"),
        (JS, "const x = █  // why\n", "1;  // because\n", "1;"),
        (PY, "foo(█, b)\n", "a  # first\n", "a"),
    ],
)
def test_a_line_is_left_whole(language_id: str, document: str, written: str, inserted: str) -> None:
    assert _trim(language_id, document, written).text == inserted


def test_a_line_that_was_cut_short_is_left_whole_too() -> None:
    assert _trim(PY, "foo(█)\n", '"abc de', cut_short=True).text == ""
    assert _trim(PY, "foo(█)\n", "bar(a", cut_short=True).text == "bar(a)"


@pytest.mark.parametrize("regex", [r"/\/*$/", r"/^\/*/", r"/[\s/*]+/", "/`([^`]*`)`/"])
def test_a_regular_expression_begins_no_text(regex: str) -> None:
    above = f'const clean = (url) => url.replace({regex}, "");\n\n'
    document = above + "function f(a) {\n  █\n}\n"
    for grammar in (GRAMMARS.load(JS), None):
        prefix, suffix = document.split("█")
        context = describe(prefix, suffix, JS, grammar=grammar)
        assert (context.mode, context.in_text, context.allowed) == ("block", False, (None,))
    assert _trim(JS, document, "return b c d;\n}\n").text == ""


def test_division_is_no_regular_expression() -> None:
    for line in ("const a = b / (c / d;", "const a = (b) / (c / d;", "x = y[0] / (z / 2;"):
        context = describe(f"{line}\n", "\n", JS)
        assert context.allowed == (")",), line


@pytest.mark.parametrize(
    "above",
    [
        "const A = () => <p>a ` b /* c</p>;\n",
        "const q = `\n" + "  select something from table\n" * 145 + "`;\n",
    ],
)
def test_the_parser_knows_where_a_lexer_is_misled(above: str) -> None:
    pad = "function g(a) {\n  return a + 1;\n}\n" * (90 if "select" in above else 1)
    above = above[:2_000] + "`;\n" + pad if "select" in above else above + pad
    prefix = above + "function f() {\n  "
    context = describe(prefix, "\n}\n", TSX, grammar=GRAMMARS.load(TSX))
    assert (context.mode, context.in_text) == ("block", False)


@pytest.mark.parametrize(
    ("document", "written", "inserted"),
    [
        ('{\n  "a": █\n}\n', "true,\n", "true"),
        ('{\n  "a": 1█\n}\n', ',\n  "b": 2\n', ""),
        ('{\n  "a": 1,\n  █\n}\n', '"b": 2,\n  "c": 3,\n', '"b": 2,\n  "c": 3'),
        ("[\n  █\n]\n", '{\n    "a": 1\n  },\n', '{\n    "a": 1\n  }'),
        ('{\n  "a": █\n  "b": 1\n}\n', "true,\n", "true,"),
        ('{"a": [█]}\n', "1, 2],\n", "1, 2"),
    ],
)
def test_json_has_no_comma_before_a_bracket(document: str, written: str, inserted: str) -> None:
    assert _trim("json", document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (PY, 'def f():\n    """█"""\n    return 1\n', "\n    Load it.\n\n    More.\n", "Load it."),
        (PY, 'def f():\n    """█\n    """\n    return 1\n', "\n    Load it.\n", "Load it."),
        (PY, 'def f():\n    """█"""\n    return 1\n', "\n    * Load it.\n", "* Load it."),
        (PY, 'def f():\n    """█"""\n    return 1\n', '\n    """\n    return 2\n', ""),
        (PY, 'def f():\n    """A.\n    █\n    """\n', "\n    Load it.\n", "Load it."),
        (PY, "x = 1  # █\n", "\ny = 2\n", ""),
        (JS, "/** █ */\nf();\n", "\n * Load it.\n */\n", "Load it."),
        (JS, "/**█\n */\nf();\n", "\n */\nfunction\n", ""),
    ],
)
def test_the_first_line_of_a_docstring_may_come_below(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert _trim(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("document", "written", "inserted"),
    [
        ('<p class="main">Hello █ and welcome</p>\n', "World</p>\n", "World"),
        ("<p>a <b>█</b> c</p>\n", "x</b> y</p>\n", "x"),
        ("<p>a <b>█</b> c</p>\n", "x</b> and <b>y\n", "x</b> and <b>y"),
        ("<p>█ and more</p>\n", "<i>some</i> text</p>\n", "<i>some</i> text"),
        ("<a █>x</a>\n", 'href="b">y</a>\n', 'href="b"'),
        ("<a █>x</a>\n", 'title="a > b"\n', 'title="a > b"'),
        ("<p>█</b>\n", "x</p>\n", "x</p>"),
    ],
)
def test_an_element_is_closed_once(document: str, written: str, inserted: str) -> None:
    assert _trim("html", document, written).text == inserted


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
        (JS, "function f(a) {\n  █\n  return a;\n}\n", "if (a) {\n    c", ""),
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


def test_a_block_that_is_shown_is_closed_and_not_taken_back() -> None:
    context = describe("function f(a) {\n  ", "\n  return a;\n}\n", JS)
    trimmer = Trimmer(context)
    trimmer.feed("if (a) {\n    c")
    assert trimmer.finish(cut_short=True).text == "if (a) {\n  }"
