"""Where suggestions end: cursor-marked fixtures over many languages, fed in pieces.

`█` is the cursor. Each case is fed character by character, in odd pieces, and whole; the result
must be the same, and what was shown may only ever grow.
"""

from __future__ import annotations

import random

import pytest

from midfill_lsp.trim import Trimmer, describe
from tests.lsp.trimming import Case, in_pieces, trim

PY, JS, TS, GO = "python", "javascript", "typescript", "go"
RUST, C, CPP, JAVA = "rust", "c", "cpp", "java"

LINES = [
    Case(PY, "def add(a, b):\n    return █\n", "a + b\nprint(1)", "a + b"),
    Case(PY, "def add(a, b):\n    return █\n", "a + b  ", "a + b"),
    Case(PY, "x = █", "\ny = 2", ""),
    Case(PY, "x = █", "   \n", ""),
    Case(PY, "import █\n\nprint(os.name)\n", "os\nimport sys", "os"),
    Case(PY, "for i in █\n    pass\n", "range(10):\n", "range(10):"),
    Case(PY, "x = 10 // █\n", "(a + b)\n", "(a + b)"),
    Case(PY, "def f(█\n", "a, b):\n    pass", "a, b):"),
    Case(JS, "const x = █\n", "await fetch(url);\nfoo", "await fetch(url);"),
    Case(TS, "type A = █\n", "{ a: string };\n", "{ a: string };"),
    Case(GO, "\tx, err := █\n\tif err != nil {\n\t}\n", "os.Open(p)\n", "os.Open(p)"),
    Case(RUST, "fn f<'a>(x: &'a str) -> █ {\n}\n", "&'a str", "&'a str"),
    Case(C, "int x = █;\n", "y + 1", "y + 1"),
    Case(JAVA, "int total = █\n", "sum(a, b);\n", "sum(a, b);"),
    Case("json", '{"a": █}\n', "[1, 2]", "[1, 2]"),
    Case("yaml", "name: █\nversion: 1\n", "midfill\nversion: 1", "midfill"),
    Case("markdown", "Hello █\n", "world :)\n", "world :)"),
    Case("html", '<a href="█">x</a>\n', "https://x.org", "https://x.org"),
]

SUFFIX = [
    Case(PY, "foo(█)\n", "a, b)\n", "a, b"),
    Case(PY, "foo(█)\n", "bar(x)", "bar(x)"),
    Case(PY, "foo(█)\n", "bar(x))", "bar(x)"),
    Case(PY, "foo(█, b)\n", "a, b)", "a"),
    Case(PY, "def foo(█)\n", "a, b):\n    return a", "a, b):", True),
    Case(PY, "def foo(█):\n", "a, b):\n    return a", "a, b"),
    Case(PY, 'print("█")\n', 'hello")\n', "hello"),
    Case(PY, 'print("█")\n', "hello", "hello"),
    Case(PY, 'x = ["█"]\n', 'a", "b"]', 'a", "b'),
    Case(PY, "return █x + 1\n", "max", "max"),
    Case(PY, "return █x + 1\n", "y * x + 1", "y * "),
    Case(PY, "return █x\n", "y + ", "y + "),
    Case(PY, "x = [█]\n", "1, 2]\n", "1, 2"),
    Case(PY, "x = {█}\n", '"a": (1, 2)}', '"a": (1, 2)'),
    Case(JS, "foo(█);\n", "a, b);\nbar", "a, b"),
    Case(JS, "foo(█);\n", "() => x);", "() => x"),
    Case(JS, "if (█) {\n}\n", "a > b) {\n  c();\n}", "a > b"),
    Case(JS, "items.map(█)\n", "(x) => x.id);\n", "(x) => x.id);", True),
    Case(TS, "const a: █ = 1;\n", "number = 1;", "number"),
    Case(C, "for (█) {\n}\n", "int i = 0; i < n; i++) {", "int i = 0; i < n; i++"),
    Case(RUST, "println!(█);\n", '"{}", x);\n', '"{}", x'),
    Case("html", "<div>█</div>\n", "text</div>\n", "text"),
    Case("json", '{"a": "█"}\n', 'b"}', "b"),
    # the next line is there already
    Case(PY, "def f(a):█\n    return a\n", "\n        return a\n", ""),
    Case(PY, "if a:█\nreturn a\n", "\n    return a\n", "\n    return a"),
    Case(PY, "def f(x):\n    █\n    return x\n", "return x\n", ""),
    Case(PY, "def f(x):\n    █\n    return x\n", "x += 1\n    return x\n", "x += 1"),
    Case(PY, "if a:\n    █\nelse:\n    b()\n", "c()\nelse:\n    b()\n", "c()"),
    Case(JS, "f();\n█\ng();\n", "g();\n", ""),
    Case(JAVA, "  int a;\n  █\n  int b;\n", "int c;\n  int b;\n", "int c;"),
]

BLOCKS = [
    Case(
        PY, "def f(x):█\n", "\n    y = 1\n    return y\n\n\nprint(2)", "\n    y = 1\n    return y"
    ),
    Case(PY, "def f(x):\n    █\n", "y = 1\n    return y\nprint(2)", "y = 1\n    return y"),
    Case(PY, "def f(x):\n    █", "if x:\n        a()\n    b()\nc()", "if x:\n        a()\n    b()"),
    Case(
        PY,
        "class A:\n    x = 1\n\n    █\n",
        "def f(self):\n        pass\n\n\n\ny",
        "def f(self):\n        pass",
    ),
    Case(PY, "x = [\n    █\n]\n", "1,\n    2,\n]\ny = 1", "1,\n    2,"),
    Case(PY, "x = [\n    █\n", "1,\n    2,\n]\ny = 1", "1,\n    2,\n]"),
    Case(PY, "x = {█\n", '\n    "a": 1,\n}\ny = 1', '\n    "a": 1,\n}'),
    Case(JS, "function f() {█\n}\n", "\n  a();\n}\nf();", "\n  a();"),
    Case(JS, "function f() {█\n", "\n  a();\n}\nf();", "\n  a();\n}"),
    Case(JS, "function f() {\n  █\n}\n", "a();\n  b();\n}\nf();", "a();\n  b();"),
    Case(
        JS,
        "if (x) {\n  █\n",
        "a();\n} else {\n  b();\n}\nc();\n",
        "a();\n} else {\n  b();\n}",
    ),
    Case(JS, "it('x', () => {\n  █\n});\n", "expect(1);\n});\n", "expect(1);"),
    Case(JS, "it('x', () => {\n  █\n", "expect(1);\n});\nfoo", "expect(1);\n});"),
    Case(JS, "const f = (x) =>█\n", "\n  x + 1;\n\nfoo();", "\n  x + 1;"),
    Case(JS, "while (x) {█\n", " y(); }\nz();", " y(); }"),
    Case(
        TS, "interface A {\n  █\n}\n", "a: string;\n  b: number;\n}\n", "a: string;\n  b: number;"
    ),
    Case(GO, "func f() {\n\t█\n}\n", "x := 1\n\treturn x\n}\n\nfunc g", "x := 1\n\treturn x"),
    Case(GO, "func f() {\n\t█\n}\n", "if x {\n        y()\n    }\n}\n", "if x {\n\t\ty()\n\t}"),
    Case(GO, "switch x {\n\tcase 1:\n\t\t█\n\t}\n", "a()\n\tcase 2:\n\t\tb()\n", "a()"),
    Case(RUST, "fn f() {\n    █\n}\n", "let x = 1;\n    x\n}\n", "let x = 1;\n    x"),
    Case(
        RUST, "match x {\n    █\n}\n", "1 => a(),\n    _ => b(),\n}\n", "1 => a(),\n    _ => b(),"
    ),
    Case(C, "int main(void)\n{\n    █\n}\n", "return 0;\n}\n", "return 0;"),
    Case(C, "int main(void)\n{█\n", "\n    return 0;\n}\nint x;", "\n    return 0;\n}"),
    Case(CPP, "class A {\n  █\n};\n", "int a_;\n  int b_;\n};\n", "int a_;\n  int b_;"),
    Case(JAVA, "void f() {\n    █\n}\n", "int a;\n\n    b();\n}\n", "int a;\n\n    b();"),
    Case(
        JAVA,
        "class A {\n    void f() {\n        █\n\n    void g() {\n    }\n}\n",
        "a();\n    }\n\n    void h",
        "a();\n    }",
    ),
    Case("json", "{\n  █\n}\n", '"a": 1,\n  "b": 2\n}\n', '"a": 1,\n  "b": 2'),
    Case(
        "html",
        "<ul>\n  █\n</ul>\n",
        "<li>a</li>\n  <li>b</li>\n</ul>\n",
        "<li>a</li>\n  <li>b</li>",
    ),
    Case("html", "<ul>\n  █\n", "<li>a</li>\n</ul>\n<p>", "<li>a</li>\n</ul>"),
    Case("yaml", "jobs:\n  █\n", "test:\n    run: x\nname: y", "test:\n    run: x"),
    Case("yaml", "steps:█\n", "\n  - a\n  - b\nname: y", "\n  - a\n  - b"),
    Case("ruby", "def f\n  █\n", "a\n  b\nend\nc", "a\n  b\nend"),
    Case("shellscript", "if x; then\n  █\nfi\n", "echo a\nfi\n", "echo a"),
    Case(PY, "def f():\n\t█\n", "if x:\n        y()\n", "if x:\n\t\ty()"),
    Case(JS, "function f() {\n  █\n}\n", "if (x) {\n\t\ty();\n\t}\n}", "if (x) {\n    y();\n  }"),
    Case(PY, "x = 1█\n", "\ny = 2\n", "\ny = 2", mode="block"),
]

SENTINELS = [
    Case(PY, "x = █", f"1{sentinel}junk", "1")
    for sentinel in (
        "<EOT>", " <EOT>", "\u2581<EOT>", "<PRE>", "<SUF>", " <MID>", "</s>", "<s>",
        "<|endoftext|>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<fim_pad>",
        "<|fim_prefix|>", "<|fim_middle|>", "<|fim_pad|>", "<|file_separator|>", "<|im_end|>",
        "<\uff5cfim\u2581begin\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<file_sep>",
        "[SUFFIX]", "[PREFIX]", "<|cursor|>", "<filename>",
    )
]  # fmt: skip

NO_SENTINELS = [
    Case("html", "<p>█\n", "a <s>b</s> c\n", "a <s>b</s> c"),
    Case("html", "<p>█\n", "a<EOT>", "a"),
    Case(CPP, "vector<█\n", "int> a;", "int> a;"),
    Case(C, "if (a █\n", "< b)\n", "< b)"),
    Case(PY, "x = █", "<EOT>", ""),
    Case(PY, "x = a[█", "PREFIX]\n", "PREFIX]"),
    Case(PY, "x = █", "'\u200f\u05d0'\n", "'\u200f\u05d0'"),  # Hebrew, and its mark of direction
]

BRACKETS = [
    Case(PY, "x = █\n", "f(a))\n", "f(a)"),
    Case(PY, "x = (█\n", "a)\n", "a)"),
    Case(PY, "x = f(a, █\n      b)\n", "c)\n", "c"),
    Case(PY, "foo(\n    a=█\n)\n", "1)\n", "1"),
    Case(JS, "foo(a, {█\n", " b: 1 });\n", " b: 1 });"),
    Case(JS, "const a = [1, █];\n", "2, 3];\n", "2, 3"),
    Case(C, "int a[█];\n", "10]; // ]", "10]; // ]", True),
    Case(PY, 's = "(" + █\n', '")"\n', '")"'),
    Case(PY, 'def f():\n    """It (as\n    ever (told █\n    """\n', "here).\n", "here)."),
    Case(JS, "/* It (as\n * ever (told █\n */\n", "here).\n", "here)."),
    Case(PY, "def f():\n    x = int(█\n\n\ndef g():\n    a (b), c)\n", "y)\n", "y)"),
    Case(PY, 'x = 1\n"""A\ntext"""\ny = f(█\n' + "#\n", "z)\n", "z)"),
    Case("markdown", "A list █\n", "a) one, b) two\n", "a) one, b) two"),
]

ALL = LINES + SUFFIX + BLOCKS + SENTINELS + NO_SENTINELS + BRACKETS


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.language}-{case.document!r:.40}")
def test_what_is_inserted(case: Case) -> None:
    for pieces in (list(case.written), in_pieces(case.written, 1), in_pieces(case.written, 2)):
        result = trim(case, pieces)
        assert (result.text, result.replaces_rest) == (case.inserted, case.replaces_rest)


@pytest.mark.parametrize("seed", range(300))
def test_shown_text_only_grows_whatever_is_written(seed: int) -> None:
    rng = random.Random(seed)
    parts = ["(", ")", "{", "}", "[", "]", '"', "'", "\n", "\n    ", "\n\t", "a", "b = 1", ":", ";"]
    parts += ["<", "EOT>", "return x", " ", "  ", "end", "\r\n", "é", "😀", "<|", "|>", ","]
    case = rng.choice(ALL)
    written = "".join(rng.choices(parts, k=rng.randrange(40)))
    whole = trim(case, [written])
    pieces = trim(case, list(written))
    assert "<EOT>" not in pieces.text
    assert pieces.text == pieces.text.rstrip() or case.document.split("█")[1].split("\n")[0].strip()
    cut = whole.text.rstrip(")]}")  # what closes it may have been put there
    assert pieces.text.startswith(cut) or cut.startswith(pieces.text) or whole.text == ""


def test_done_comes_as_soon_as_the_line_is_over() -> None:
    trimmer = Trimmer(describe("x = ", "\n", PY))
    assert not trimmer.feed("1").done
    assert trimmer.feed("\n").done
    assert trimmer.finish().text == "1"


def test_text_is_shown_while_it_grows() -> None:
    trimmer = Trimmer(describe("def f():\n    ", "\n\nprint(f())\n", PY))
    assert trimmer.feed("if ").text == "if"
    assert trimmer.feed("x:\n").text == "if x:"
    assert trimmer.feed("        y").text == "if x:"  # a line below comes when it is complete
    assert trimmer.feed(" = 1\n").text == "if x:\n        y = 1"


def test_what_could_repeat_the_suffix_is_held_back() -> None:
    trimmer = Trimmer(describe("def f(x):\n    ", "\n    return x\n", PY))
    assert trimmer.feed("y = 1\n    ret").text == "y = 1"
    assert trimmer.feed("urn y\n").text == "y = 1\n    return y"


def test_a_block_that_was_cut_short_loses_its_half_line() -> None:
    trimmer = Trimmer(describe("def f():\n    ", "\n", PY))
    shown = trimmer.feed("if x:\n        y = 1\n        z = so").text
    result = trimmer.finish(cut_short=True)
    assert (result.text, result.reason) == ("if x:\n        y = 1", "limit")
    assert shown == result.text
    alone = Trimmer(describe("def f():\n    ", "\n", PY))
    alone.feed("x = so")
    assert alone.finish(cut_short=True).text == "x = so"


def test_the_reason_and_the_cut_are_told() -> None:
    trimmer = Trimmer(describe("x = ", "\n", PY))
    trimmer.feed("1<EOT>rest")
    result = trimmer.finish()
    assert (result.reason, result.num_cut) == ("sentinel", 9)


def test_a_line_end_in_two_pieces_is_one() -> None:
    trimmer = Trimmer(describe("def f():", "\n", PY))
    for piece in ("\r", "\n    x()\r", "\n\r", "", "\n    y()"):
        trimmer.feed(piece)
    assert trimmer.finish().text == "\n    x()\n\n    y()"


def test_a_docstring_far_above_is_known_to_be_closed() -> None:
    above = 'def f():\n    """It\'s (long.\n\n' + "    A line of text.\n" * 300 + '    """\n'
    assert trim(Case(PY, above + "    x = f(█\n", "", ""), ["y)\n"]).text == "y)"
    below = "    A line of text.\n" * 300
    inside = f'def f():\n    """It (long.\n\n{below}    It is (so '
    assert trim(Case(PY, inside + '█\n    """\n', "", ""), ["here).\n"]).text == "here)."
