"""Values with characters of a shell, of templates and of SQL, and what is none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.gate import Admitted, Gate
from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.workspace import Workspace

HARD = ["Win(ter)2024", "aB3$xY9!kL", "K8s(prod)1", "Tr0ub4dor&3x", "hunter$two", "pa$$w0rd1"]
QUOTED = [
    'docker run -e "MYSQL_ROOT_PASSWORD={}" mysql', "export 'DB_PASSWORD={}'",
    'set "DB_PASSWORD={}"', "echo 'DB_PASSWORD={}' >> .env", "mysql '--password={}' db",
    "curl -d 'user=a&password={}' https://x", "helm --set 'a.b=1,auth.password={}'",
]  # fmt: skip
ALONE = ["DB_PASSWORD={}", "set DB_PASSWORD={}", "ENV DB_PASSWORD={}", "export DB_PASSWORD={}"]


@pytest.mark.parametrize("form", QUOTED + ALONE)
@pytest.mark.parametrize("value", HARD)
def test_a_shells_characters_hide_nothing(lines: SecretLines, form: str, value: str) -> None:
    # Values with `$ ( { [ > ; & |` passed whole, or from that character on.
    masked = lines.mask(form.format(value), Syntax.SHELL).text
    assert masked == form.format("x" * len(value))


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("echo DB_PASSWORD={}>>.env", "hunter2"), ("echo DB_PASSWORD={}> .env", "hunter2"),
        ("a[password]={}", "hunter2"), ("PASSWORD+={}", "hunter2"),
        ("declare -A S=([db_password]={} [x]=1)", "hunter2"),
        ("export A=1 DB_PASSWORD={}", "Win(ter)2024"), ("echo 'PASSWORD={}'", "let me in"),
        ("redis-server --requirepass {}", "hunter2"),
    ],
)  # fmt: skip
def test_where_a_shells_value_ends(lines: SecretLines, line: str, secret: str) -> None:
    masked = lines.mask(line.format(secret), Syntax.SHELL).text
    assert masked == line.format("x" * len(secret))


@pytest.mark.parametrize(
    "line",
    [
        'echo "PASSWORD=$PASSWORD" > x', 'docker run -e "PASSWORD=${PASSWORD}" -e "KEY=$KEY" x',
        "grep -q 'password=.*' file", 'sed -i "s/PASSWORD=.*/PASSWORD=$NEW/" f',
        "PASSWORD=foo${X}bar", "PASSWORD=$(cat f)$X", "PASSWORDS=($A)", "API_KEY=[your-key]",
        'echo "Usage: $0 password=PASSWORD [options]"', 'curl "https://x?api_key=$KEY&b=c"',
        'echo "--password=<password>"', 'set "PASSWORD=%1"', "set PASSWORD=%DB_PASS%",
        'APPLE_PASSWORD="$2"', 'oldpwd="$(pwd)"', "-e 'PASSWORD_FILE=/run/secrets/db'",
    ],
)  # fmt: skip
def test_what_a_shell_puts_in_passes(lines: SecretLines, line: str) -> None:
    assert lines.mask(line, Syntax.SHELL).text == line


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        *((line, value) for value in ("hunter2", "Pa$$w0rd") for line in (
            '{{"name": "DB_PASSWORD_PROD", "value": "{}"}}',
            '{{"name": "SECRET_KEY_BASE", "value": "{}"}}', "<password>{}</password>",
            '<add key="DbPasswordProd" value="{}"/>', "  user 'a', password '{}'",
            '"Server=x;User Id=sa;Password={};"', "storePassword '{}'",
            '$p = ConvertTo-SecureString "{}" -AsPlainText', "`Server=x;Uid=sa;Password={};`",
            "CREATE USER a IDENTIFIED BY '{}';", "ALTER USER a WITH PASSWORD '{}' VALID UNTIL 'x'",
        )),
        ('{{"name": "spring.datasource.password", "value": "{}"}}', "letmein"),
        ('{{"name": "Db__Password", "value": "{}"}}', "Letmein"),
        ("CREATE USER x WITH PASSWORD '{}'", "!QAZ2wsx"),
        ("CREATE USER x WITH PASSWORD '{}';", "@dm1nPass"),
        ("<Password>{}</Password>", "Correct horse battery"),
        ('"postgres://anna:{}@h/db", "x@y"', "p@ss"),
    ],
)  # fmt: skip
def test_a_value_is_masked_in_any_file(lines: SecretLines, line: str, secret: str) -> None:
    assert lines.mask(line.format(secret)).text == line.format("x" * len(secret))


@pytest.mark.parametrize(
    "line",
    [
        '{"name": "DB_PASSWORD_FILE", "value": "/run/x"}',
        '{"name": "DB_PASSWORD", "value": "{{ p }}"}',
        '{"name": "DB_PASSWORD", "value": "$(DB_PASSWORD)"}', "<password>{{ pw }}</password>",
        "ALTER USER x WITH PASSWORD '%s'", "ALTER USER x WITH PASSWORD '${pw}'",
        "\"ALTER USER x WITH PASSWORD '\" + pw + \"'\"", "f\"ALTER USER x PASSWORD '{pw}'\"",
        "raise E(\"user with bad password 'abc' was seen\")", "`a=b&password=${pw}&c=d`",
        "<Password>Show {count2} Items</Password>",
        "<Password>Enter your password</Password>", "ConvertTo-SecureString $x -AsPlainText",
        "if (typeof apiKey === 'string') {", 'static final String API_KEY = "api_key";',
    ],
)  # fmt: skip
def test_what_is_put_in_passes(lines: SecretLines, line: str) -> None:
    assert lines.mask(line).text == line


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("f(username='a', password='a')", "f(username='x', password='x')"),
        ("password: 'pass', passwordAgain: 'pass', bypass",
         "password: 'xxxx', passwordAgain: 'xxxx', bypass"),
        ('{"password": "1", "size": 11}', '{"password": "x", "size": 11}'),
    ],
)  # fmt: skip
def test_a_short_value_is_not_masked_in_words(lines: SecretLines, line: str, masked: str) -> None:
    assert lines.mask(line).text == masked


@pytest.mark.parametrize(
    ("above", "below", "syntax"),
    [
        ("DB_PASSWORD=", "DB_HOST=localhost", Syntax.SETTINGS),
        ("SECRET=", "DB_HOST=", Syntax.CONFIG),
        ("password:", "  type: string", Syntax.CONFIG), ("secrets:", "  db_key:", Syntax.CONFIG),
        ("env_password:", "  - name: x", Syntax.CONFIG),
        ("PASSWORD :=", "all: build", Syntax.CONFIG),
        ("PASSWORD=", "export FOO=bar", Syntax.SHELL), ("API_KEY=", "# the host", Syntax.SETTINGS),
    ],
)  # fmt: skip
def test_a_setting_below_an_empty_one(
    lines: SecretLines, above: str, below: str, syntax: Syntax
) -> None:
    text = f"{above}\n{below}"
    assert lines.mask(text, syntax).text == text
    assert lines.mask_around(text, "", syntax) == (text, "", 0)


@pytest.mark.parametrize(
    ("above", "below"),
    [("password: |", "user: hunter2"), ("password:", "hunter2abc=="), ("password:", "ab=cd12")],
)
def test_a_value_below_may_look_like_a_setting(lines: SecretLines, above: str, below: str) -> None:
    masked = lines.mask(f"{above}\n  {below}", Syntax.CONFIG).text
    assert masked == f"{above}\n  {'x' * len(below)}"


@pytest.mark.parametrize("key", ["value", "default"])
@pytest.mark.parametrize("value", ["hunter2", '"hunter2"'])
def test_a_value_below_may_have_a_key(lines: SecretLines, key: str, value: str) -> None:
    text = f"  db_password:\n    {key}: {value}\n    type: string"
    assert lines.mask(text, Syntax.CONFIG).text == text.replace("hunter2", "xxxxxxx")
    passing = text.replace(value, "true")
    assert lines.mask(passing, Syntax.CONFIG).text == passing


@pytest.mark.parametrize(
    ("name", "num"),
    [
        ("Dockerfile.prod", 1), ("prod.dockerfile", 1), ("a.service", 1), ("my.cnf", 1),
        ("a.mk", 1),
        ("a.yml.j2", 1), ("a.ini.bak", 1), ("a.properties.erb", 1), ("a.py.bak", 0),
        ("a.html.erb", 0), ("dockerfile.ts", 0), ("dockerfile_parser.py", 0), ("a.in", 1),
    ],
)  # fmt: skip
def test_a_copys_ending_says_nothing(tmp_path: Path, name: str, num: int) -> None:
    gate = Gate(ContextConfig, Workspace([tmp_path]))
    answer = gate.admit((tmp_path / name).as_uri(), "password=hunter2", "remote", "document")
    assert isinstance(answer, Admitted)
    assert answer.num_secrets == num
