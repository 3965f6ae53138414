"""What is a comment, a string or a bracket in one language, and none in another."""

from __future__ import annotations

import pytest

from midfill_lsp.trim import lexer
from tests.lsp.trimming import trimmed

SHELL = "f() {\n  local n\n  █\n  echo\n}\n"


@pytest.mark.parametrize(
    ("language_id", "document", "written"),
    [
        ("shellscript", SHELL, "if [ $# -lt 1 ]; then\n    return 1\n  fi"),
        ("shellscript", SHELL, "while [ $# -gt 0 ]; do\n    n=$1\n    shift\n  done"),
        ("shellscript", SHELL, "n=${1#-}\n  n=${n%.txt}"),
        ("shellscript", SHELL, "[ $# -gt 1 ] && shift\n  b=${2#-}"),
        ("sh", SHELL, "rm -r $dir/*\n  echo done"),
        ("fish", "if test -d x\n    █\n    bar\nend\n", "rm $dir/*\n    echo done"),
        ("ruby", "def f\n  █\n  bar\nend\n", "x = %w(a b)\n  y = %Q(#{a})"),
        ("elixir", "def f do\n  █\n  b()\nend\n", "x = ~s(#{a})\n  y = 1"),
        ("perl", "sub f {\n  █\n  b();\n}\n", "for (0..$#$y) {\n    foo();\n  }"),
        ("sql", "CREATE TABLE a (\n  █\n  b int\n);\n", "id int, -- the key (see b\n  c int,"),
        ("lua", "local function f()\n  █\n  bar()\nend\n", "-- first :(\n  foo()"),
        ("haskell", "f x = do\n  █\n  b\n", "a -- :(\n  c"),
        ("graphql", "type A {\n  █\n  b: Int\n}\n", "# the user's (own\n  a: Int"),
        ("scss", "a {\n  █\n  top: 0;\n}\n", "background: url(//x/y.png) no-repeat;\n  left: 0;"),
        ("caddyfile", "a {\n\t█\n\tb\n}\n", "handle /api/* {\n\t\tc\n\t}"),
        ("terraform", "x {\n  █\n  b = 1\n}\n", "# see a/* (foo\n  a = 1"),
        ("github-actions-workflow", "paths:\n  █\n  - x\n", "- src/*\n  - lib/**"),
        ("powershell", "if ($x) {\n    █\n    Bar\n}\n", "Get-Foo -A b `\n        -C d"),
        (
            "c",
            "void f(void) {\n    █\n    bar();\n}\n",
            "#ifdef A\n    if (x) {\n#else\n    if (y) {\n#endif\n        foo();\n    }",
        ),
        ("nginx", "location /a/* {\n    █\n    b;\n}\n", "proxy_pass http://x/*;"),
    ],
)
def test_a_block_that_is_right_stays_as_it_is(
    language_id: str, document: str, written: str
) -> None:
    """A bracket that was misread as open was closed, by `]`, `}`, `)`, `*/` or a backtick."""
    below = document.partition("█")[2].partition("\n")[2]
    assert trimmed(language_id, document, f"{written}\n{below}").text == written


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        ("shellscript", "x=$(basename █)\n", "${path#foo}\n", "${path#foo}"),
        ("shellscript", "x=(█)\n", "${#a[@]} b)\n", "${#a[@]} b"),
        ("shellscript", "x=(█)\n", "a b # c\n", "a b"),
        ("shellscript", "if [ █ ]; then\n  x\nfi\n", "$# -gt 0 ]; then\n", "$# -gt 0"),
        ("ruby", 'x = %Q(cd █#{a}")\n', '"#{b}" && #{c}\n', '"#{b}" && #{c}'),
        ("lua", "x = f(█)\n", "a // b)\n", "a // b"),
        ("lua", "x = {█}\n", "a = 1 -- first\n", "a = 1"),
        ("nix", "foo (█) y;\n", "a // b) y;\n", "a // b"),
        ("nix", "foo (█) y;\n", "a # b\n", "a"),
        ("sql", "SELECT f(█);\n", "a -- first\n", "a"),
        ("javascript", "f(█);\n", "a-- // first\n", "a--"),
        ("unheard-of", "f(█) y;\n", "a // b) y;\n", "a // b"),
        ("ignore", "dist/*\n█\n**/build\n", "**/node_modules\n", "**/node_modules"),
        ("lua", "f({\n  a,\n  █\n  --[[\n  b,\n  ]]\n})\n", "c,\n})\n", "c,"),
        ("lua", "f({\n  a,█\n  --[[ x\n  ]]\n  b,\n})\n", " c })\n", " c"),
    ],
)
def test_a_comment_begins_as_the_language_says(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("language_id", "text", "ending"),
    [
        ("python", "x = 'a\\", "string"),
        ("python", 'x = """\\\n  a', "text"),
        ("python", "x = f(a)# it", "comment"),
        ("shellscript", "x=$(f a)# it", "code"),
        ("shellscript", "echo # it's", "comment"),
        ("yaml", "a: b # it's", "comment"),
        ("c", "x; /* it", "text"),
        ("css", "a: url(//b", "code"),
        ("scss", "a: b; // it's", "comment"),
        ("less", "@import url(https://b", "code"),
        ("sql", "SELECT a -- it's", "comment"),
        ("go", "x := `a\nb", "text"),
        ("java", "x = a ` b", "code"),
        ("go", "x := `\\`\ny", "code"),
        ("lua", "--[[ a\nb", "text"),
        ("lua", "--[==[ a ]]", "text"),
        ("lua", "x = [[a -- b", "text"),
        ("lua", "x = a[b[1]]", "code"),
        ("lua", "-- [[ it's", "comment"),
        ("objc", "x; // it's", "comment"),
        ("objcpp", "x; /* it's", "text"),
        ("gomod", "a v1 // it's", "comment"),
        ("jsonnet", "a: 1, // it's", "comment"),
        ("cue", "a: 1 // it's", "comment"),
        ("qml", "x: `a", "text"),
        ("bzl", "x = 1 # it's", "comment"),
        ("yaml.docker-compose", "a: b # it's", "comment"),
    ],
)
def test_a_text_ends_in_code_or_in_a_token(language_id: str, text: str, ending: str) -> None:
    assert lexer.ending_of(lexer.last_token(text, language_id)) == ending


def test_quotes_in_a_docstring_are_ended_once() -> None:
    document = '"""\nf = "a ", "█"\n\nIt is.\n"""\n'
    assert trimmed("python", document, ')"\n').text == ")"
