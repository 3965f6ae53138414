"""Secrets in URLs, headers, connection strings and such, whose grammar tells where they end.

Of random values a half and more passed, since their characters mean something in code.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.gate import Admitted, Gate
from midfill_lsp.context.secret_forms import Syntax, form_spans
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.workspace import Workspace

RANDOM = ("q(7Kd[x!2Zb", "=vR4{t)Wq9~m", "hP8|nB]3;yT", "Zk5$(eX.6uJ", "w3Qe+8Rt?z")


@pytest.mark.parametrize(
    ("form", "syntax"),
    [
        ('url = "https://x.org/a?b=c&api_key={}"', Syntax.CODE),
        ('headers = ["X-Api-Key: {}"]', Syntax.CODE),
        ("machine x.org login anna password {}", Syntax.CONFIG),
        ("password {}", Syntax.CONFIG),
        ("X-Api-Key: {}", Syntax.CONFIG),
        ("DB_PASSWORD := {}", Syntax.CONFIG),
        ("  - DB_PASSWORD={}", Syntax.CONFIG),
    ],
)
@pytest.mark.parametrize("value", RANDOM)
def test_a_random_value(lines: SecretLines, form: str, syntax: Syntax, value: str) -> None:
    line = form.format(value)
    assert lines.mask(line, syntax).text == form.format("x" * len(value))


@pytest.mark.parametrize("value", [value for value in RANDOM if ";" not in value])
def test_a_random_value_of_a_connection(lines: SecretLines, value: str) -> None:
    form = 'a = "Server=h;User Id=a;Password={};Database=b"'
    assert lines.mask(form.format(value)).text == form.format("x" * len(value))


@pytest.mark.parametrize("syntax", [Syntax.CONFIG, Syntax.SHELL])
@pytest.mark.parametrize("value", ["q(7Kd[x!2Zb", "w3Qe+8Rt?z", "hunter2"])
def test_a_default(lines: SecretLines, value: str, syntax: Syntax) -> None:
    masked = lines.mask(f"x: ${{DB_PASSWORD:-{value}}} y", syntax).text
    assert masked.endswith("x" * len(value) + "} y")


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('"https://x.org/?api_key=hunter2"', '"https://x.org/?api_key=xxxxxxx"'),
        ('"https://x.org/?token=a1b2c3d4e5#a"', '"https://x.org/?token=xxxxxxxxxx#a"'),
        ('"Authorization: Bearer aB3xY9kL!"', '"Authorization: Bearer xxxxxxxxx"'),
        ("'Authorization': 'Token aB3xY9kL!'", "'Authorization': 'Token xxxxxxxxx'"),
        *((line, line) for line in (
            'url = f"https://x.org/?api_key={key1}&b=c"',
            'url = "https://x.org/?api_key=YOUR_API_KEY&token=abc"',
            'url = "https://x.org/:id?api_key=:apiKey1"',
            'url = "https://x.org/?page_token=next2&secret_name=db-secret-1"',
            "x = a ?password=b1c2d : c",
            '"x-api-key: ${KEY1}", "X-Api-Key: <Your1Key>", "x-password: wrong"',
            "'Authorization: Bearer ' . Token1Value",
            "`Authorization: Bearer ${Token1Value}`",
            '"Authorization: Bearer #{Token1Value}"',
            '"Authorization: Bearer YOUR_TOKEN_1"',
            'a = $"Server=h;Pwd={password};Database=d"',
            'a = "Server=h;Uid=sa;Password=@Password1;x=y"',
            'a = "Server=h;Uid=sa;Password=%s;Pwd=$DB_PASSWORD;x=y"',
            'a = "x = 1; password = foo(); host = 2;"',
            'a = "let host=1;password=req.body.password;b=3"',
        )),
    ],
)  # fmt: skip
def test_in_code(lines: SecretLines, line: str, masked: str) -> None:
    assert lines.mask(line).text == masked


@pytest.mark.parametrize(
    "line",
    [
        "machine x.org login anna password $PASS",
        "machine learning with password protection",
        "x: ${DB_PASSWORD_FILE:-/run/secrets/db1}", "x: ${SECRET_NAME:-db-secret-1}",
        "x: ${DB_PASSWORD:?must be set1}", "x: ${DB_PASSWORD:-${OTHER1a}}",
        "password: {{Abc1}}", "password: lookup('Env1')", "password: &Db1Password",
        "DB_PASSWORD := $(Abc1)", "DB_PASSWORD := $(shell cat Abc1)",
        "SECRET_OBJS += Foo1.o Bar2.o",
    ],
)  # fmt: skip
def test_in_configuration(lines: SecretLines, line: str) -> None:
    assert lines.mask(line, Syntax.CONFIG).text == line


def test_a_form_in_a_request(lines: SecretLines) -> None:
    line = "password=%tgb6YHN&user=anna"
    assert lines.mask(line, Syntax.CONFIG).text == line.replace("%tgb6YHN", "x" * 8)


PIECES = ["https://a?api_key=a", "?api_key=", "&", "a-key", '"x-api-key: a', "machine a login ",
          "machine ", "login a ", "authorization: bearer ", "${password:-a", "- ", "password=(",
          '"server=;pwd=a', ";server=", "password"]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_long_lines_of_one_piece(piece: str) -> None:
    for line in (piece * (20_000 // len(piece)), '"server=a;' + piece * (20_000 // len(piece))):
        for syntax in Syntax:
            assert not any(end > len(line) for _, end in form_spans(line, line, syntax))


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('helm i --set "auth.password=let me in" y', 'helm i --set "auth.password=xxxxxxxxx" y'),
        (
            "helm i --set-string 'a.password=let me in,tag=v1.2'",
            "helm i --set-string 'a.password=xxxxxxxxx,tag=v1.2'",
        ),
        (
            'kubectl create --from-literal="password=let me in" y',
            'kubectl create --from-literal="password=xxxxxxxxx" y',
        ),
        *((line, line) for line in (
            "helm i --set 'auth.password=$(pw)' --set \"a=b c\"",
            'docker build --build-arg "PASSWORD=$PASSWORD" --build-arg "X=b c"',
        )),
    ],
)  # fmt: skip
def test_an_options_assignment_goes_on_to_its_quote(
    lines: SecretLines, line: str, masked: str
) -> None:
    assert lines.mask(line, Syntax.SHELL).text == masked


@pytest.mark.parametrize(
    ("name", "num"),
    [("Makefile.bak", 1), ("config.old", 1), ("Makefile.orig", 1), ("main.old", 0)],
)
def test_what_was_kept_of_a_file_without_an_ending(tmp_path: Path, name: str, num: int) -> None:
    """They counted as code, where nothing without quotes is a value."""
    gate = Gate(ContextConfig, Workspace([tmp_path]))
    answer = gate.admit((tmp_path / name).as_uri(), "password=hunter2", "remote", "document")
    assert isinstance(answer, Admitted)
    assert answer.num_secrets == num
