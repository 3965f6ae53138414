"""Text behind the cursor, or below the block: what a suggestion must leave whole."""

from __future__ import annotations

import pytest

from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import Trimmer, describe
from tests.lsp.trimming import trimmed

GRAMMARS = Grammars()
PY, JS, TSX = "python", "javascript", "typescriptreact"


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
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (JS, "items.forEach(█);\n", "(item) => {\n  log(item);\n});\n", "(item) => {}"),
        (JS, 'app.get("/", █);\n', "function (req, res) {\n", "function (req, res) {}"),
        (JS, "setTimeout(█, 1000);\n", "function() {\n", "function() {}"),
        (TSX, "const A = () => <b>{items.map(█)}</b>;\n", "(item) => (\n", ""),
        (PY, "foo(█)\n", "a(b, [\n", "a(b)"),
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
    assert trimmed(language_id, document, written).text == inserted


def test_a_line_that_was_cut_short_is_left_whole_too() -> None:
    assert trimmed(PY, "foo(█)\n", '"abc de', cut_short=True).text == ""
    assert trimmed(PY, "foo(█)\n", "bar(a", cut_short=True).text == "bar(a)"


@pytest.mark.parametrize("regex", [r"/\/*$/", r"/^\/*/", r"/[\s/*]+/", "/`([^`]*`)`/"])
def test_a_regular_expression_begins_no_text(regex: str) -> None:
    above = f'const clean = (url) => url.replace({regex}, "");\n\n'
    document = above + "function f(a) {\n  █\n}\n"
    for grammar in (GRAMMARS.load(JS), None):
        prefix, suffix = document.split("█")
        context = describe(prefix, suffix, JS, grammar=grammar)
        assert (context.mode, context.in_text, context.allowed) == ("block", False, (None,))
    assert trimmed(JS, document, "return b c d;\n}\n").text == ""


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
    assert trimmed("json", document, written).text == inserted


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
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        ("cpp", "int x = █;  // note\n", "1 // one\n", "1"),
        (JS, "foo(█);\n", "a // first\n", "a"),
        (JS, "foo(█);\n", "a / b\n", "a / b"),
        (PY, 'def f():\n    """Do █."""\n', 'it """\n', "it "),
        (PY, 'def f():\n    """Do █\n    """\n', 'it """\n', "it"),
        (PY, 'def f():\n    """Say █."""\n', 'it as "it"\n', 'it as "it"'),
        (JS, "/* █ */\n", "a */ b\n", "a"),
        (PY, "foo(█)\n", "a, {\n    'b': 1,\n", "a"),
    ],
)
def test_half_of_what_ends_a_text_is_not_shown(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted
    prefix, suffix = document.split("█")
    growing = Trimmer(describe(prefix, suffix, language_id, grammar=GRAMMARS.load(language_id)))
    for char in written:
        growing.feed(char)
    assert growing.finish().text == inserted


@pytest.mark.parametrize(
    ("document", "inserted"),
    [
        ("a { background: url(█); }\n", "//x.y/z.png"),
        ("a { background: url(http:█); }\n", "//x.y/z.png"),
    ],
)
def test_two_slashes_are_no_comment_in_css(document: str, inserted: str) -> None:
    assert trimmed("css", document, "//x.y/z.png\n").text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        ("typescript", "const m: Map<string, █> = x;\n", "Array<number>\n", "Array<number>"),
        ("rust", "type A = Vec<█>;\n", "Option<u32>\n", "Option<u32>"),
        ("rust", "type A = Vec<█>;\n", "u32>\n", "u32"),
        ("rust", "type A = Vec<█>;\n", "fn(u8) -> u8>\n", "fn(u8) -> u8"),
        ("java", "class A {\n  Map<String, █> m;\n}\n", "List<Integer>\n", "List<Integer>"),
        ("cpp", "vector<█> v;\n", "pair<int, int>\n", "pair<int, int>"),
        ("cpp", "vector<█> v;\n", "pair<int, int>> v;\n", "pair<int, int>"),
        ("cpp", "█> v;\n", "vector<pair<int, int>\n", "vector<pair<int, int>"),
        ("cpp", "█> v;\n", "vector<int> v;\n", "vector<int"),
    ],
)
def test_a_generic_ends_with_its_own_bracket(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted
