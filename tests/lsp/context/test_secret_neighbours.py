"""What stands beside a secret or below its name: of a command, of a mapping, of prose."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.gate import Admitted, Gate
from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.workspace import Workspace


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        # The rest of the command was masked too.
        (
            'ssh h "DB_PASSWORD=hunter2 docker compose up -d"',
            'ssh h "DB_PASSWORD=xxxxxxx docker compose up -d"',
        ),
        ("sh -c 'PASSWORD=test123 npm run build'", "sh -c 'PASSWORD=xxxxxxx npm run build'"),
        ('log "secret=none given, skipping"', 'log "secret=none given, skipping"'),
        ('docker run -e "PASSWORD=let me in" x', 'docker run -e "PASSWORD=xxxxxxxxx" x'),
        # An error, so nothing of the file was sent.
        ('"PASSWORD=    "', '"PASSWORD=    "'),
        ('X="PASSWORD=    ', 'X="PASSWORD=    '),
    ],
)
def test_in_a_shells_quotes(lines: SecretLines, line: str, masked: str) -> None:
    assert lines.mask(line, Syntax.SHELL).text == masked


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('hunter2 = check(password="hunter2")', 'xxxxxxx = check(password="xxxxxxx")'),
        (
            'u = "mysql -uroot -phunter2"; password = "hunter2"',
            'u = "mysql -uroot -pxxxxxxx"; password = "xxxxxxx"',
        ),
        ("{'username': 'a', 'password': 'a'}", "{'username': 'x', 'password': 'x'}"),
        ("<password>`hunter2</password>", "<password>xxxxxxxx</password>"),
        ('PASSWORD = "password"', 'PASSWORD = "xxxxxxxx"'),
        ('API_KEY = "api_key"', 'API_KEY = "api_key"'),
        ("ALTER USER a IDENTIFIED BY 'hunter2'", "ALTER USER a IDENTIFIED BY 'xxxxxxx'"),
        ("ALTER USER a IDENTIFIED BY 'letmein'", "ALTER USER a IDENTIFIED BY 'xxxxxxx'"),
        ("IDENTIFIED BY 'letmein'", "IDENTIFIED BY 'xxxxxxx'"),  # a statement begun above
        ("  identified by 'letmein';", "  identified by 'xxxxxxx';"),
        ("# rows are identified by 'session_id'", "# rows are identified by 'session_id'"),
        ("# the login with password 'admin' failed", "# the login with password 'admin' failed"),
    ],
)
def test_in_any_file(lines: SecretLines, line: str, masked: str) -> None:
    assert lines.mask(line).text == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("passwords:\n  anna: hunter2", "passwords:\n  anna: xxxxxxx"),
        ("passwords:\n  admin: hunter2", "passwords:\n  admin: xxxxxxx"),
        ("db_password:\n  production: S3cret-pass", "db_password:\n  production: xxxxxxxxxxx"),
        ("password:\n  Value : hunter2", "password:\n  Value : xxxxxxx"),
        ("passwords =\n  anna = hunter2", "passwords =\n  anna = xxxxxxx"),
        ("password:\n  hunter2", "password:\n  xxxxxxx"),
        *((text, text) for text in (
            "password:\n  type: string",
            "password:\n  minLength: 8",
            "secret:\n  secretName: tls-cert-2",
            "token:\n  url: https://x.io/v1",
            "token:\n  required: true",
            "password:\nversion: v1.2",
            "DB_PASSWORD=\nDB_HOST=db1",
        )),
    ],
)  # fmt: skip
def test_below_an_empty_name(lines: SecretLines, text: str, masked: str) -> None:
    assert lines.mask(text, Syntax.CONFIG).text == masked


@pytest.mark.parametrize(
    "line",
    [
        '<input name="password" value="' + "_" * 60 + '*">',
        '{"name": "password", "value": "' + "a_" * 60 + '!"}',
        "[" + '{"id":0,"password":"x7abc12"},' * 1_000 + "]",
        "\"'-password=a\\" * 500,
    ],
)
def test_long_lines_are_masked_in_time(lines: SecretLines, line: str) -> None:
    """The first two took longer than anybody waits: each `_` doubled it."""
    assert len(lines.mask(line, Syntax.SHELL).text) == len(line)


@pytest.mark.parametrize(("name", "num"), [("a.bak", 0), ("a.ini.bak", 1), (".npmrc.old", 1)])
def test_what_was_kept_of_a_file(tmp_path: Path, name: str, num: int) -> None:
    gate = Gate(ContextConfig, Workspace([tmp_path]))
    answer = gate.admit((tmp_path / name).as_uri(), "password=hunter2", "remote", "document")
    assert isinstance(answer, Admitted)
    assert answer.num_secrets == num
