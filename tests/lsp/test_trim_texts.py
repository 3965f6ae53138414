"""Docstrings, comments and strings around the cursor: where they end, and where they begin."""

from __future__ import annotations

import pytest

from midfill_lsp.syntax import Grammars
from midfill_lsp.trim import describe
from tests.lsp.trimming import trimmed

GRAMMARS = Grammars()
PY, JS, TS, C = "python", "javascript", "typescript", "c"

ANOTHER = '\n\n\ndef g():\n    """Do g."""\n\n\ndef h():\n    """\n    Do h.\n    """\n'


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        (TS, "interface A {\n  /** Name of it█\n  b: string;\n  /** Age. */\n}\n", " all. */"),
        ("java", "/**\n * A.\n █\nclass A {\n  /** b */\n  int b;\n}\n", "*/"),
        (C, "int a; /* b█\nint c;\nchar *s = x/*y*/;\n", " d */"),
        (C, 'int a; /* b█\nint c;\nchar *s = "*/*";\n', " d */"),
        (JS, "/* b█\nconst a = /b*/;\n", " c */"),
        ("css", "a { b: c; /* d█\n}\n/* e */\n", " f */ }"),
        (PY, f'def f():\n    """Do f█{ANOTHER}', ' now."""'),
        (PY, f'def f():\n    """Do f:\n    █{ANOTHER}', '"""'),
        (PY, 'def f():\n    """Do f█\n    x = """a"""\n', ' now."""'),
        (PY, 'def f():\n    """Do f█\n\n\ndef g():  # it\n    """\n    g\n    """\n', '."""'),
        (PY, 'def f():\n    """Do█\n\n\ndef g(a):\n    # type: (int) -> int\n    """\n', '."""'),
        (PY, f'def f():\n    """Do f█{ANOTHER * 100}', ' now."""'),
        (PY, f'def f():\n    """Do f█{ANOTHER.replace("Do", "It is " * 900)}', ' now."""'),
        ("julia", '"""\nDo it.\n█\nf() = 1\n\n"""\nDo g.\n"""\n', '"""'),
        (JS, "const a = `x ${y}█;\nconst c = `w`;\n", " z`"),
        (JS, f"const a = `x█;\nb(`{'word ' * 900}`);\n", " z`"),
        (PY, "x = 'abc█  # it's here\n", "def'"),
        (JS, "const x = 'abc█ // it's here\n", "def'"),
        ("sql", "SELECT 'abc█ -- a user's name\nFROM t;\n", "def' || name"),
        (PY, 'def f():\n    """Do f█\n    assert x, """It."""\n', ' now."""'),
        (PY, 'def f():\n    """Do f█\n\n\ndef g(\n    a: int,\n) -> int:\n    """\n', '."""'),
        (PY, 'def f():\n    """Do f█\n\n\ndef g(a,\n      b=(1, 2)):\n    """\n', '."""'),
        (JS, "const a = `x█;\nf(\n  `\n  y\n`);\n", " z`"),
        (C, "int a; /* b█\nenum { A, /*first*/\n};\n", " d */"),
        (JS, "const a = `\n  ${b(█\n`;\n", "x => `c`)} d"),
        (JS, "const a = `\n  ${b(x => {\n    █\n  })}\n`;\n", "return c`d`;"),
        (JS, "const a = `\n  █\n`;\n", "${b ? `c` : `d`} e"),
        (JS, "const a = `█`;\n", "${b ? `c` : ''} e"),
        ("lua", "local a = [[x█\nlocal b = [[\n  y\n]]\n", " z]]"),
        ("lua", "--[[ x█\nlocal b = c[d[1]]\n", " z ]]"),
        ("json", '{\n  ".": "./index█\n  "./foo": "./foo.js"\n}\n', '.js",'),
        ("json", '{\n  "imports█\n  "#a": "b"\n}\n', '": {'),
        (PY, 'a = [\n    "./a.py█\n    "./b.py",\n]\n', '",'),
        (JS, "const a = [\n  './a█\n  './b',\n];\n", ".js',"),
        ("go", 'var a = []string{\n\t".go█\n\t".c",\n}\n', '",'),
        (PY, 'def f(a):\n    """█\n\nx = {\n    \'some key\': """x"""}\n', 'Do f."""'),
    ],
)
def test_what_nobody_else_ends_is_ended(language_id: str, document: str, written: str) -> None:
    """The end of the next comment or string was taken for that of this one."""
    assert trimmed(language_id, document, f"{written}\n").text == written


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (JS, "/**\n * Adds█\n * two.\n */\nf(); /* g */\n", " up. */\n", " up."),
        (C, "int a; /* b █ */ int c; /* d */\n", "e */\n", "e"),
        (PY, f'def f():\n    """Do f█\n\n    Now.\n    """\n{ANOTHER}', ' now."""\n', " now."),
        (PY, f'def f():\n    """Do f█."""\n{ANOTHER}', ' now."""\n', " now"),
        (PY, f'x = """\na █\n"""\n{ANOTHER}', 'b"""\n', "b"),
        (PY, f'x = f("""\na █\n""")\n{ANOTHER}', 'b""")\n', "b"),
        (JS, "const a = `x █`;\nconst b = `y`;\n", "z`;\n", "z"),
        (PY, "x = 'a █'  # it's here\n", "b'\n", "b"),
        (PY, "x = 'a █ # b'\n", "c'\n", "c"),
        (PY, 'def f():\n    """Do f.\n\n    Returns:\n        █\n    """\n', 'It."""\n', "It."),
        (PY, 'def f():\n    """Do f█\n    like this:"""\n', ' or it"""\n', " or it"),
        (PY, 'def f():\n    """Do f█\n    # a\n    """\n', ' it"""\n', " it"),
        (PY, 'def f():\n    """Do f█\n    like (this):\n    """\n', ' or it"""\n', " or it"),
        (PY, 'print("""\nUsage: █\n  a:\n""")\n', 'x""")\n', "x"),
        (PY, 'q = """\na █\n""" + a\n', 'b""" + a\n', "b"),
        (PY, 'q = ("""\na █\n""" if a else b)\n', 'b""" if a else b)\n', "b"),
        (PY, 'assert f() == """\na █\n""" == h\n', 'b""" == h\n', "b"),
        (JS, "const q = `\n  a\n  █\n`;\n", "b`;\n", "b"),
        (JS, "const q = `\n  a\n  █\n`;\nconst r = `s`;\n", "`;\n", ""),
        ("go", "const q = `\n\ta █\n`\n", "b`\n", "b"),
        ("java", 'String a = """\n  x█\n  """;\n', 'y""";\n', "y"),
        ("toml", "a = '''\nx█\n'''\n", "y'''\n", "y"),
        ("lua", "local s = [[\n  a -- b█\n]]\n", " c ]]\n", " c"),
        ("lua", "f([==[█]==])\n", "y]] z]==])\n", "y]] z"),
        ("lua", "--[==[\n  a ]]█\n]==]\n", " c ]==]\n", " c"),
        (JS, "/**\n * A █\n * glob('a/**')\n */\n", "b */\n", "b"),
        (JS, "/**\n * Like src/█\n * a/* or /*.\n */\n", "* it */\n", "* it"),
        (C, "/* do █\n * it */ int a;\n", "f */\n", "f"),
    ],
)
def test_what_the_document_ends_is_ended_once(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        (JS, "log(`█`);\n", "${n} ${n === 1 ? `a` : `b`}`);"),
        (JS, "const s = `█`;\n", "${xs.map((x) => `<${x}>`).join('')}`;"),
        (JS, "f(`█`);\n", "a ${b ? `c` : ''}`, d);"),
        ("typescriptreact", "<div className={`█`}>\n", "card ${on ? `card--${on}` : ''}`}>"),
        ("shellscript", 'DIR="█"\n', '${1:-$(dirname "$0")}"'),
        ("kotlin", 'val a = "█"\n', 'a ${m["k"]}"'),
        ("kotlin", 'val a = "█"\n', '\\${b"'),
        (JS, "const a = `█`;\n", "\\${b`;"),
        (JS, "const a = `█`;\n", '${f("{")} b`;'),
        (JS, "const a = `█`;\n", "don't ${b ? `c` : 'd'}`;"),
        ("shellscript", 'a="█"\n', '${A#\\{}b"'),
        (PY, 'a = "█"\n', 'echo ${"'),
        (PY, 'a = "█"\n', '${" + b + "c"'),
        ("java", 'String a = "█";\n', '${";'),
    ],
)
def test_a_template_ends_behind_its_holes(language_id: str, document: str, written: str) -> None:
    """Its end was written twice where a hole held another."""
    head, _, rest = document.partition("█")
    kept = trimmed(language_id, document, f"{written}\n")
    line = rest.partition("\n")[0]
    assert head + kept.text + ("" if kept.replaces_rest else line) == head + written


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        (PY, "def f():\n    '''█'''\n", "Don't do f."),
        (PY, "def f():\n    '''█'''\n", "It's what the user's file doesn't have."),
        (PY, 'def f():\n    """Ret █"""\n', 'a 5" disk.'),
        (PY, 'def f():\n    """█"""\n', 'Split "a" at each ".'),
        ("toml", 'a = """█"""\n', '5" b'),
        ("rust", 'let a = r#"█"#;\n', '5" b'),
    ],
)
def test_a_quote_is_no_end_of_what_three_of_them_end(
    language_id: str, document: str, written: str
) -> None:
    """An apostrophe cut a docstring, and three of them deleted the document's closer."""
    result = trimmed(language_id, document, f"{written}\n")
    assert (result.text, result.replaces_rest) == (written, False)


@pytest.mark.parametrize(
    ("written", "inserted"),
    [('Print 5"', "Print 5"), ('"It is."', '"It is.'), ('A "b" or "c"', 'A "b" or "c')],
)
def test_a_quote_is_not_put_before_three_of_them(written: str, inserted: str) -> None:
    result = trimmed(PY, 'def f():\n    """█"""\n', f"{written}\n")
    assert (result.text, result.replaces_rest) == (inserted, False)


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        (
            "typescriptreact",
            "function A() {\n  return (\n    <p>\n      Don't {items.map(█\n    </p>\n  );\n}\n",
            "(x) => (\n        <b>{x}</b>\n      ))}",
        ),
        (
            "javascriptreact",
            "function A() {\n  return (\n    <p>Don't {a && (█\n    </p>\n  );\n}\n",
            "\n      <b>x</b>\n    )}",
        ),
        (JS, "while (m) /`/.test(a);\nfunction f( {\n  █\n}\n", "if (a) {\n    g();\n  }"),
        (
            "go",
            "package a\n\nfunc f() {\n\ts := strings.Split(p, `\\`)\n\t█\n}\n",
            "for _, x := range s {\n\t\tg(x)\n\t}",
        ),
    ],
)
def test_code_behind_a_lone_quote_is_code(language_id: str, document: str, written: str) -> None:
    """It counted as a string wherever the code around was unfinished, and got one line."""
    below = document.partition("█")[2].partition("\n")[2]
    assert trimmed(language_id, document, f"{written}\n{below}").text == written


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        (PY, 'def f():\n    """Return the sum.█\n\n    """\n', "\n\n    Args:\n"),
        (PY, 'def f():\n    """Return the sum of█\n    two.\n    """\n', "\n    all\n"),
        (PY, 'def f():\n    """Return█\n', "\n    it.\n"),
        (PY, 'x = """█\n"""\n', "\na\n"),
        (PY, 'x = """\n█\n"""\n', "\n\na\n"),
        (PY, 'def f():\n    """Do f.\n    """█\n', "\n    pass\n"),
        (JS, "const q = `SELECT *█`;\n", "\n  FROM users\n"),
        (JS, "const q = `█`;\n", "\n  SELECT *\n"),
        (JS, "/**\n * Adds two.█\n */\n", "\n * @param x it\n"),
        (JS, "/**\n * █\n */\n", "\n * @param x it\n"),
        ("css", "/* a\n   b█\n   c */\n", "\n   d\n"),
        ("rust", 'let q = r#"SELECT *█"#;\n', "\n  FROM users\n"),
    ],
)
def test_the_next_line_of_a_text_is_not_put_behind_this_one(
    language_id: str, document: str, written: str
) -> None:
    assert trimmed(language_id, document, written).text == ""


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (PY, 'def f():\n    r"""█\n    """\n', "\n    Do f.\n", "Do f."),
        (PY, '# A.\n\n"""█\n"""\n', "\nDo f.\n", "Do f."),
        (PY, 'class A:\n    """A.\n\n    █\n    """\n', "\n    Do f.\n", "Do f."),
        (JS, "/**█\n */\n", "\n * Adds two.\n */\n", " Adds two."),
        (JS, "/** █\n */\n", "\n * Adds two.\n */\n", "Adds two."),
        (C, "int a; /*█ */\n", "\n   b\n", " b"),
        (C, "/*█\n", "\n */\n", "*/"),
        ("lua", "--[[█\nx = 1\n", "\nAdds two.\n]]\n", " Adds two."),
        ("lua", "--[==[█\nx = 1\n", "\n  Adds two.\n", " Adds two."),
        ("lua", "--[[█\nx = 1\n", "\n]]\n", "]]"),
    ],
)
def test_behind_what_opens_a_text_its_first_line_may_come_below(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


def test_a_docstring_is_none_of_code_where_the_parser_sees_half_of_another() -> None:
    """The parser's window began inside a docstring: it took code for text and text for code."""
    prose = "It's about the beginning (of a line) and how it's read.\n"
    above = f'def f():\n    """Do f.\n\n{prose * 60}    """\n    return 1\n\n\n'
    code = "def g(x):\n    return x + 1\n\n\n" * 100
    prefix = f'{above}{code}def h(x):\n    """Do h, if {prose}\n    '
    for size in range(3_000, 7_000, 250):  # of what is between the docstrings
        start = len(above) + len(code) - min(size, len(code))
        cut = above + prefix[start:]
        context = describe(cut, '\n    """\n    return 2\n', PY, grammar=GRAMMARS.load(PY))
        assert (context.mode, context.in_text) == ("line", True), size


def test_code_is_none_of_a_docstring_where_the_text_begins_in_one() -> None:
    prefix = '    It is done.\n    """\n    return 1\n\n\n' + "y = f(x)\n" * 700
    context = describe(f"{prefix}if x:\n    ", "\n", PY, grammar=GRAMMARS.load(PY))
    assert (context.mode, context.in_text) == ("block", False)
