"""What is indented as the document is, and what hangs or is aligned and stays as it came."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import indent
from tests.lsp.trimming import trimmed

HANGING = "def f():\n    if a:\n        pass\n    █\n"


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        # `go(i)` got level with `with`: the step was taken from what hangs behind the bracket.
        (
            "python",
            HANGING,
            "x = foo(\n            a)\n    for i in x:\n        with i:\n            go(i)",
        ),
        (
            "cpp",
            "void f() {\n  a();\n  █\n}\n",
            "fail(\n      b,\n      c);\n  if (d) {\n    e();\n  }",
        ),
        (
            "java",
            "class A {\n  void f() {\n    a();\n    █\n  }\n}\n",
            "run(\n        new B() {\n          void g() {\n            c();\n          }\n"
            "        });",
        ),
        # What might hang tells no step, and then nothing is indented otherwise than it came.
        (
            "typescriptreact",
            "function App() {\n  const x = 1;\n  return (█\n}\n",
            '\n        <div\n            a="b"\n        >\n            <p on={() => {\n'
            "                go();\n            }} />\n        </div>\n    );",
        ),
        # Blanks behind tabs align.
        ("c", "void f(void)\n{\n\t█\n}\n", "g(a,\n\t  b);\n\tif (c)\n\t\th();"),
    ],
)
def test_a_right_block_stays_as_it_is(language_id: str, document: str, written: str) -> None:
    below = document.partition("█")[2].partition("\n")[2]
    assert trimmed(language_id, document, f"{written}\n{below}").text == written


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        (
            "python",
            "def g():\n  if a:\n    b()\n\n\ndef f():\n  █\n",
            "if c:\n      d()\n      if e:\n          h()\n",
            "if c:\n    d()\n    if e:\n      h()",
        ),
        (
            "javascript",
            "function g() {\n    b();\n}\nfunction f() {\n    █\n}\n",
            "if (c) {\n      d();\n    }\n}\n",
            "if (c) {\n        d();\n    }",
        ),
        (
            "javascript",
            "function g() {\n    b();\n}\nfunction f() {\n    █\n}\n",
            "foo(\n      a,\n      function () {\n        go();\n      },\n    );\n}\n",
            "foo(\n        a,\n        function () {\n            go();\n        },\n    );",
        ),
        (
            "python",
            "def g():\n    b()\n\n\ndef f():\n    █\n",
            "if a:  # why\n      x()\n      if b:\n        y()\n      z()\n",
            "if a:  # why\n        x()\n        if b:\n            y()\n        z()",
        ),
        (
            "go",
            "package a\n\nfunc b() {\n\tfor i := range x {█\n}\n",
            "\n\t    c(x)\n\t    if y {\n\t        z()\n\t    }\n\t}\n}\n",
            "\n\t\tc(x)\n\t\tif y {\n\t\t\tz()\n\t\t}\n\t}",
        ),
        ("c", "void f(void)\n{\n\tg();\n\t█\n}\n", "if (a)\n        h();\n}\n", "if (a)\n\t\th();"),
    ],
)
def test_a_block_of_another_step_gets_the_documents(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "text", "unit"),
    [
        # Two brackets, behind which lines hang by twice as much, and one block.
        ("python", "x = f(\n    a)\ny = f(\n    a)\ndef g():\n  pass\n", 2),
        ("java", "f(\n    a);\ng(\n    a);\nif (b) {\n  c();\n}\n", 2),
        # A dictionary's key is no block's header.
        ("python", "x = {\n  'a':\n      1,\n  'b':\n      2,\n}\ndef g():\n  pass\n", 2),
        ("python", "x = f(\n    a)\n", 4),
    ],
)
def test_blocks_tell_a_documents_step(language_id: str, text: str, unit: int) -> None:
    assert indent.detect(text, "", language_id) == indent.Style(False, unit, is_sure=True)
