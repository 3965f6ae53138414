"""How suggestions begin: the blanks that fit the cursor, and docstrings on their own line."""

from __future__ import annotations

import pytest

from tests.lsp.trimming import Case, in_pieces, trim

PY, GO, C = "python", "go", "c"

STARTS = [
    # the document has the blanks already
    Case(PY, "def f(x):\n    # █\n", " a comment\n", "a comment"),
    Case(PY, "return █\n", "  x\n", "x"),
    Case(PY, "with a as f:\n    █\n", "    if x:\n        y()\n", "if x:\n        y()"),
    Case(GO, "func f() {\n\t█\n}\n", "\tx := 1\n", "x := 1"),
    Case("markdown", "- one\n- █\n", "   two\n", "two"),
    # or lacks some
    Case(GO, "switch x {\n\tcase 1:\n\t█\n\t}\n", "\ta()\n", "\ta()"),
    Case(C, "\tif (x)\n\t█\n", "\ty();\n", "\ty();"),
    Case(PY, "class A:\n    def f(self):\n    █\n", "        x = 1\n", "    x = 1"),
    Case(PY, "class A:\n    def f(self):\n    █\n", "    x = 1\n", "    x = 1"),
    Case(PY, "class A:\n\tdef f(self):\n\t█\n", "        x = 1\n", "\tx = 1"),
    Case(PY, "x = 1█\n", "  # one\n", "  # one"),
    # a docstring stands on its own line
    Case(PY, "def f():█\n", ' """It."""\n    x()\n', '\n    """It."""\n    x()'),
    Case(PY, "class A:\n\tdef f():█\n", '"""It."""\n', '\n\t\t"""It."""'),
    Case(PY, "def f():█\n", " return 1\n", " return 1"),
    Case(PY, "def f():█\n", "\n    x = 1  \n    y = 2\n", "\n    x = 1\n    y = 2"),
    Case(PY, "def f():█\n", "  \n    x = 1\n", "\n    x = 1"),
]


@pytest.mark.parametrize("case", STARTS, ids=lambda case: f"{case.language}-{case.written!r:.40}")
def test_what_is_inserted(case: Case) -> None:
    for pieces in (list(case.written), in_pieces(case.written, 1), [case.written]):
        assert trim(case, pieces).text == case.inserted
