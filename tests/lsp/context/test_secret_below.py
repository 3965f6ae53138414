"""Secrets on the lines below a name, and in brackets behind it, where values need no quotes.

Only the first line below a name was looked at: the passwords of all others went out.
"""

from __future__ import annotations

import pytest

from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_lines import SecretLines

SECRETS = ("hunter2x", "s3cr3tpw", "Geheim9!", "letmein98", "letmein99")


def without(text: str) -> str:
    for secret in SECRETS:
        text = text.replace(secret, "x" * len(secret))
    return text


@pytest.mark.parametrize(
    "text",
    [
        "passwords:\n  anna: hunter2x\n  bob: s3cr3tpw\n\n  # and\n  carl: Geheim9!\nname: ab12",
        "passwords:\n  prod:\n    anna: hunter2x\n    bob: s3cr3tpw\n  test: Geheim9!",
        "MasterPassword:\n  Type: String\n  Default: hunter2x\n  NoEcho: true\nVersion: v1beta1",
        "passwords:\n- hunter2x\n- 's3cr3tpw'\n- user\nname: ab12",
        "passwords:\n  - name: a\n    value: hunter2x\n  - name: b\n    value: s3cr3tpw",
        "- password:\n    anna: hunter2x\n    bob: s3cr3tpw\n  user2: annabel2",
        "passwords:\n  db_password:\n    type: string\n  bob: s3cr3tpw",
        "passwords: [hunter2x, 's3cr3tpw', user]",
        "passwords: {anna: hunter2x, \"bob@x.org\": s3cr3tpw, type: ab12}  # c",
        'passwords = { anna = "hunter2x" }',
        "password:\n\n  # the old one\n  hunter2x",
        "password: # the old one\n  hunter2x",
        "password: &old\n  hunter2x",
        "passwords: &all !!map # of all\n  anna: hunter2x",
        "password: |2-\n  hunter2x",
        "secret: >-\n  hunter2x\n  s3cr3tpw\nname: ab12",
        '"anna@x.org" = 1\n[db.passwords]  # c\nanna = "hunter2x"\n\n"bob@x.org" = "s3cr3tpw"\n'
        '[other]\nanna = "ab12cd"',
        'passwords:\n  "anna@x.org": hunter2x\n  bob@x.org: s3cr3tpw',
        "[passwords]\ndb_password =\nbob = s3cr3tpw",
        "passwords:\n  user1: letmein99\n  user2: letmein98\n  root: hunter2x",
        "[passwords]\nserver1 = letmein99\nkey1 = letmein98",
        "api_keys:\n  - letmein99  # anna\n  - 'hunter2x' # bob\n  - letmein98",
        "passwords:\n  - hunter2x\n  - db_password:\n      s3cr3tpw\n  - letmein98",
        "passwords:\n  anna: letmein99\n#bob: user\n  carl: letmein98",
        "passwords:\n{% for u in users %}\n  anna: letmein99\n{% endfor %}\n  bob: letmein98",
        "passwords:\n  email: letmein99", "api_keys:\n  mail-server: letmein99",
    ],
)  # fmt: skip
def test_values_below_a_name(lines: SecretLines, text: str) -> None:
    assert lines.mask(text, Syntax.CONFIG).text == without(text)
    for cut in range(len(text) + 1):
        prefix, suffix, _ = lines.mask_around(text[:cut], text[cut:], Syntax.CONFIG)
        assert len(prefix) == cut
        assert not any(secret in prefix + suffix for secret in SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "[db.passwords]\nanna = hunter2x\n\nbob: s3cr3tpw\n[other]\nanna = ab12cd",
        "passwords =\n  anna = hunter2x\n  bob = s3cr3tpw\nname = ab12",
    ],
)
def test_values_below_a_name_of_settings(lines: SecretLines, text: str) -> None:
    assert lines.mask(text, Syntax.SETTINGS).text == without(text)


@pytest.mark.parametrize(
    "text",
    [
        "properties:\n  password:\n    type: string\n    format: int32\n    maxLength: 64\n"
        "    description: 8 letters or 1 digit\n  name:\n    type: x1y2",
        "secrets:\n  - db_password\n  - db_password2\n  - source: api_key1\n    target: key1\n",
        "secrets:\n  db_password:\n    external: true\n    file: ./pw1.txt\n",
        "secrets:\n  TOKEN1: ${{ secrets.TOKEN1 }}\n  OTHER: ${{ secrets.O2 }}",
        "password:\n  label: Your password\n  hint: at least 8 characters\n  text: Enter it twice",
        "passwords:\n  - name: a\n    default: \"0\"\n    created_at: 2026-01-15T10:00:00Z",
        "password:\n  rotation: 1440m\n  since: v1.12\n  hash: sha512\n  store: {kind: ab12}",
        "apikeys:\n  operations:\n    supported_apis:\n    - v2\n    - v2beta1",
        "existingSecret:\n  name: pg-secret-1\n  key: password1\n  enabled: true",
        "user-secret:\n  label: Secret\n  unicode: f21b\n  styles:\n    - solid2",
        "- password:\n  user2: annabel2",
        "tokens:\n  red: a1b2c3\n  blue: ff00ff",
        "auth:\n  anna: x1y2z3",
        "password_policy:\n  type: string\n  default: hunter2",
        "[secrets]\nx = { provider = \"Bws1\", value = \"a-b\" }\nmail_server = \"smtp1.x.org\"",
        "[tool.secret-scan]\nanna = \"x1y2z3\"",
        "secrets: [DB1, db_password2]",
        "passwords: []\nname: x1y2",
        "DB_PASSWORD=\n\nx1y2z3",
        "DatabaseSecret:\n  Tags:\n    - Key: Environment\n      Value: Production",
        "ApiKey:\n  type: object\n  properties:\n    status:\n      default: active",
        "secret:\n  type: object\n  kind:\n    default: Opaque\n    value: \"immutable\"",
        "secret:\n  extraEnv:\n    - name: JAVA_OPTS\n      value: \"-Xmx512m -Dfoo=Bar\"",
        "password:\n  type: string\n  text: choose carefully",
        "DBPassword:\n  Type: String\n  AllowedPattern: '[a-zA-Z0-9]*'\n"
        "  ConstraintDescription: Must contain 8 to 41 alphanumeric characters.",
        "password:\n  type: string\n  description: Minimum 8 characters\n"
        "  weak: Use 8 or more characters, with letters and digits",
        "secret:\n  type: a\n  issuer: https://Auth1.example.org\n  when: x == \"Ubuntu22\"",
        "passwords = [User1, hash2]",
        "```ini\n[passwords]\nanna = user\n```\n```python\nversion = \"Python 3.12\"\n"
        "base = os.path.join(HERE, \"Data2\")",
        "[passwords]\nanna = user\nimport os\ntotal = sum2.value",
    ],
)  # fmt: skip
def test_what_else_stands_below_a_name(lines: SecretLines, text: str) -> None:
    assert lines.mask(text, Syntax.CONFIG).text == text


@pytest.mark.parametrize(
    "value",
    ['"@dminpass"', "'$uperpass'", "'/letmein'", "'none'", '"my #1 secret"', "letmein"],
)
@pytest.mark.parametrize("key", ["value", "default", "anna@x.org"])
def test_what_one_chose_has_any_characters(lines: SecretLines, key: str, value: str) -> None:
    text = lines.mask(f"password:\n  {key}: {value}", Syntax.CONFIG).text
    assert value.strip("\"'") not in text


@pytest.mark.parametrize("syntax", [Syntax.CODE, Syntax.CONFIG])
def test_what_a_line_opens_is_looked_for_down_to_its_end(
    lines: SecretLines, syntax: Syntax
) -> None:
    """All below was looked at anew with each key, on the loop."""
    below = "\n  'hunter2x'\nname: ab\n" + "password: s3cr3tpw1x\nx = 1\n" * 300
    lines.mask_around("a = 1\npasswor", below, syntax)
    assert lines.knows_around("a = 1\npassword =", below, syntax)
    prefix, suffix, num = lines.mask_around("a = 1\npassword =", below, syntax)
    whole = lines.mask("a = 1\npassword =" + below, syntax)
    assert (prefix + suffix, num) == (whole.text, whole.num_secrets)
    assert "hunter2x" not in suffix


def test_a_word_that_is_being_typed_closes_nothing(lines: SecretLines) -> None:
    above, below = "passwords:\n  anna: hunter2x\n", "\n  bob: letmein99\nname: ab12"
    assert "letmein99" not in lines.mask_around(f"{above}c", below, Syntax.CONFIG)[1]
    assert "letmein99" in lines.mask_around(f"{above}c: 1", below, Syntax.CONFIG)[1]


def test_in_code_only_the_next_line_may_be_a_value(lines: SecretLines) -> None:
    text = "password =\n  'hunter2x'\npasswords:\n  anna: hunter2x\nsecret =\n\n  'hunter2x'"
    assert lines.mask(text).text == text.replace("hunter2x", "x" * 8, 1)


def test_a_comment_behind_an_empty_value_of_a_script(lines: SecretLines) -> None:
    text = "PASSWORD= # none\nshift\nPASSWORD=\n\nshift2"
    assert lines.mask(text, Syntax.SHELL).text == text


@pytest.mark.parametrize(
    "text",
    ["passwords: [" + "] " * 30_000 + "x", "passwords: {" + "a :" * 9_000 + "}",
     "passwords:\n  a: " + " " * 90_000 + "x", "passwords: &" + "x" * 90_000 + " y\n a",
     "passwords:\n  " + "aB" * 30_000 + ": x1", "[passwords" + " " * 90_000],
)  # fmt: skip
def test_long_lines_below_a_name(lines: SecretLines, text: str) -> None:
    assert len(lines.mask(text, Syntax.CONFIG).text) == len(text)
