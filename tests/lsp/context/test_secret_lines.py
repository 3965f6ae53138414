"""Secrets in lines: found, masked one for one, and ordinary code left alone."""

from __future__ import annotations

import random
import string
from concurrent.futures import ThreadPoolExecutor

import pytest

from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_keys import key_spans
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.named_values import KEYWORD_STEMS, named_values

RANDOM = random.Random(7)


def made_up(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    """Return characters that no real token has; built here, so that no scanner finds one."""
    return "".join(RANDOM.choice(alphabet) for _ in range(length))


HEX = string.digits + "abcdef"
SECRETS = [
    ('password = "{}"', "hunter2"),
    ('{{"api_key": "{}"}}', "tiger-lily-7"),
    ("url = 'https://anna:{}@host.example/'", "pa55word"),
    ("token = '{}'", "ghp_" + made_up(36)),
    ("x = '{}'", "github_pat_" + made_up(40)),
    ("# {}", "AKIA" + made_up(16, string.ascii_uppercase)),
    ("use('{}')", "hf_" + made_up(34)),
    ("k = '{}'", "sk-ant-" + made_up(40)),
    ("k = '{}'", "AIza" + made_up(35)),
    ("curl -H 'Authorization: Bearer {}'", made_up(32)),
    ("jwt {}", f"eyJ{made_up(20)}.eyJ{made_up(30)}.{made_up(43)}"),
    ("'{}'", made_up(40, HEX)),
    ('salt = "{}"', made_up(44)),
    ("slack: {}", "xoxb-123456789012-" + made_up(24)),
    ("stripe {}", "sk_live_" + made_up(24)),
    ('std::string secret("{}");', "hunter2"),
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_a_secret_is_masked_and_the_rest_stands(lines: SecretLines, line: str, secret: str) -> None:
    text = f"a = 1\n{line.format(secret)}\nb = 2\n"
    masked = lines.mask(text)
    assert secret not in masked.text
    assert secret[len(secret) // 2 :] not in masked.text
    assert len(masked.text) == len(text)
    assert masked.num_secrets == 1
    assert masked.text.startswith("a = 1\n")
    assert masked.text.endswith("\nb = 2\n")


@pytest.mark.parametrize(("line", "secret"), SECRETS)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_cursor_in_the_line_changes_nothing(
    lines: SecretLines, line: str, secret: str, share: float
) -> None:
    text = f"a\n{line.format(secret)}\nb"
    cut = text.index(secret) + int(len(secret) * share)
    prefix, suffix, num = lines.mask_around(text[:cut], text[cut:])
    assert num == 1
    assert (len(prefix), len(suffix)) == (cut, len(text) - cut)
    assert secret not in prefix + suffix


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_password_is_one_while_it_is_typed(lines: SecretLines, quote: str) -> None:
    for length in range(2, 8):
        typed = "hunter2"[:length]
        prefix, _, num = lines.mask_around(f"a\npassword = {quote}{typed}", "\nb\n")
        assert (typed in prefix, num) == (False, 1)


KEY = [made_up(64, string.ascii_letters + string.digits + "+/") for _ in range(5)] + ["Qw3r=="]
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([BEGIN, *KEY, END, "after = some_name"]),
        "\n".join([f'key = """{BEGIN}', *KEY, f'{END}"""', "after = some_name"]),
        "\n".join([f'"{BEGIN}\\n" +', *(f'    "{row}\\n" +' for row in KEY), f'"{END}";', "a"]),
        "\n".join([BEGIN, "Proc-Type: 4,ENCRYPTED", "", *KEY, END]),
        "\n".join([f'"{BEGIN}\\n"', *(f'  + \n  "{row}\\n"' for row in KEY), f'  + "{END}"']),
        "\n".join(KEY[:-1]),  # neither begins nor ends in the window
        f'{{"private_key": "{BEGIN}\\n' + "\\n".join(KEY[:-1]) + f'\\n{END}\\n"}}',
    ],
)
def test_keys_over_several_lines(lines: SecretLines, text: str) -> None:
    masked = lines.mask(text)
    assert not any(row in masked.text for row in KEY)
    assert len(masked.text) == len(text)
    assert ("after = some_name" in text) == ("after = some_name" in masked.text)


def test_base64_may_begin_as_a_comment_does() -> None:
    assert key_spans(['// /+aB9==",'], inside=True) == ({0: [(3, 10)]}, True)


@pytest.mark.parametrize("text", ["+" * 3_000, "/" * 200_000, "BEGIN A " * 100_000 + "KEY"])
def test_long_lines_that_are_no_key(text: str) -> None:
    # The time grew with the cube of a line's length: 5 s for 1,000 of `+`.
    for inside in (False, True):
        assert key_spans([f"{text}!"], inside) == ({}, False)


@pytest.mark.parametrize("row", range(7))
def test_a_cursor_in_a_key(lines: SecretLines, row: int) -> None:
    text = "\n".join([BEGIN, *KEY, END, "end"])
    cut = sum(len(line) + 1 for line in text.split("\n")[:row]) + 1
    prefix, suffix, _ = lines.mask_around(text[:cut], text[cut:])
    assert not any(row in prefix + suffix for row in KEY)
    assert len(prefix) == cut


@pytest.mark.parametrize(
    "line",
    [
        "def password_of(user: User) -> str:",
        "password = read_password()",
        "assert isinstance(secret_key, bytes)",
        'config["password"] = os.environ["PASSWORD"]',
        "from midfill_lsp.context.secret_lines import SecretLines",
        "self.assertEqual(result.some_very_long_attribute_name, expected_value)",
        "  return computeTheAverageOfAllValuesInTheListOrNothing(values, undefined)",
        'raise ValueError("a sentence about the private key that was not found here")',
        "0123456789 abcdefghijklmnopqrstuvwxyz",
        "https://github.com/owner/repository/blob/main/docs/index.md",
        'if password and mode == "local":',
        'connect(password, mode="r")',
        '<input type="password" name="user">',
        'password: Optional[str] = None, name: str = "a"',
        'secret = "{template}"',
        "password = getpass.getpass('Password: ')",
        'values["password"] = password',
    ],
)
def test_ordinary_code_passes(lines: SecretLines, line: str) -> None:
    assert lines.mask(line).text == line


def test_values_in_configuration_need_no_quotes(lines: SecretLines) -> None:
    text = "user: anna\npassword: hunter2\n"
    assert lines.mask(text).num_secrets == 0  # in code that is a type
    assert lines.mask(text, Syntax.CONFIG).text == "user: anna\npassword: xxxxxxx\n"
    assert "hunter2" not in lines.mask("DB_PASSWORD=hunter2\n", Syntax.CONFIG).text


BELOW = [
    ("password = (\n    {}\n)\n", "'hunter2'", Syntax.CODE),
    ('{{"api_key":\n  {}}}\n', '"tiger-lily-7"', Syntax.CODE),
    ("const secret =\n  {};\n", "'tiger-lily-7'", Syntax.CODE),
    ("password: >-\n  {}\nname: x\n", "hunter2", Syntax.CONFIG),
    ("db_password =\n{}\n", "hunter2", Syntax.CONFIG),
    ("f(" + "x, " * 300 + "password=   \n{}\n", "'hunter2'", Syntax.CODE),
]


@pytest.mark.parametrize(("form", "value", "syntax"), BELOW)
def test_a_value_below_its_name(lines: SecretLines, form: str, value: str, syntax: Syntax) -> None:
    text, secret = form.format(value), value.strip("'\"")
    assert lines.mask(text, syntax).text == text.replace(secret, "x" * len(secret))
    for cut in range(len(text) + 1):
        prefix, suffix, num = lines.mask_around(text[:cut], text[cut:], syntax)
        assert (len(prefix), num >= 1) == (cut, True)
        assert secret not in prefix + suffix


@pytest.mark.parametrize(
    "text",
    [
        'class Secret:\n    """What nobody knows."""\n',
        "def check_password(password):\n    'A sentence.'\n",
        "if password:\n    'hello'.split()\n",
        "secret = (\n    read_it()\n)\n",
    ],
)
def test_a_block_below_a_name_is_no_value(lines: SecretLines, text: str) -> None:
    assert lines.mask(text).text == text


FORMS = [
    'password := "{}"', 'var dbPassword = "{}"', 'const apiKey string = "{}"',  # Go
    'apiKey []byte = "{}"',
    'char password[] = "{}";', 'char db_password[25] = "{}";', 'wchar_t *secret = L"{}";',
    '#define DB_PASSWORD "{}"', '#  define API_KEY ("{}")',
    'string password = @"{}";', 'NSString *password = @"{}";', 'var secret = $"{}";',
    'const password: string = "{}"', "password?: string | null = '{}'", "{{secret: `{}`}}",
    'let db_password: &str = "{}";', 'const SECRET: &\'static str = "{}";', 'secret = r#"{}"#',
    'password: str = "{}"', "password: Optional[str] = '{}'", "password = b'{}'",
    "PASSWORD = rb'{}'", "password = f'{}'", "secret = '''{}'''", "'password' => '{}',",
    'body = "{{\\"password\\": \\"{}\\"}}"', 'PASSWORD ?= "{}"', 'secret ||= "{}"',
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_named_value_in_any_language(lines: SecretLines, form: str) -> None:
    # Those of Go, C and the like went out, and what has a type or a prefix in any language.
    for value in ("Hunter2Spring!", "correct horse battery", "abc " * 200):
        assert lines.mask(form.format(value)).text == form.format("x" * len(value))


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_value_goes_on_to_its_own_quote(lines: SecretLines, quote: str) -> None:
    other = "'" if quote == '"' else '"'
    for value in (f"Hun\\{quote}ter2Spring", f"Hun{other}ter2 Spring", "Hunter2\\\\"):
        text = f"password = {quote}{value}{quote}; a = {quote}b{quote}"
        assert lines.mask(text).text == text.replace(value, "x" * len(value))


def test_every_value_of_a_line_is_found(lines: SecretLines) -> None:
    text = '{"password": "Hunter2", "n": 1, "db_password": "+Spring", "m": "s", secret=")Spring"}'
    expected = text.replace("Hunter2", "xxxxxxx").replace("+Spring", "xxxxxxx")
    expected = expected.replace(")Spring", "xxxxxxx")
    assert lines.mask(text).text == expected


@pytest.mark.parametrize(
    "text",
    ["password" * 20_000, "password = " * 9_000, 'password="' * 9_000, "#define a" * 9_000,
     "password: " + "a " * 90_000, 'secret="' + "\\" * 90_000, "secret" + " " * 90_000,
     "password [" * 9_000, "password='" + 'password="\\' * 9_000],
)  # fmt: skip
def test_long_lines_of_names(text: str) -> None:
    assert len(list(named_values(text))) <= 9_000


def test_a_long_line_hides_nothing(lines: SecretLines) -> None:
    secret = "ghp_" + made_up(36)
    for before in (0, 390, 1_990, 11_000):
        line = "f(a,b);" * (before // 7) + f'password="{secret}";' + "g(c,d);" * 300
        assert secret not in lines.mask(line).text


def test_the_quick_look_sees_every_keyword() -> None:
    from detect_secrets.plugins.keyword import DENYLIST

    for pattern in DENYLIST:
        assert any(stem in pattern.replace("_?", "").replace("ñ", "n") or stem in pattern
                   for stem in KEYWORD_STEMS), pattern  # fmt: skip
        for name in (pattern.replace("?", ""), pattern.replace("_?", "")):
            assert list(named_values(f'{name} = "a"')), name


def test_several_threads_lose_nothing_but_memory(lines: SecretLines) -> None:
    # A dictionary grew in one thread while another looked for its oldest entry.
    rows = [line.format(secret) for line, secret in SECRETS]
    texts = [f"{row}\nnumber = {idx}\n" for idx in range(40) for row in rows]
    expected = [lines.mask(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        found = [
            list(each)
            for each in zip(*[pool.map(lines.mask, texts) for _ in range(4)], strict=True)
        ]
    assert found == [[each] * 4 for each in expected]


def test_blocks_and_lines_give_the_same_as_no_memory(lines: SecretLines) -> None:
    rows = [line.format(secret) for line, secret in SECRETS] + [BEGIN, *KEY, END, "x = 1", ""]
    for _ in range(50):
        text = "\n".join(RANDOM.choices(rows, k=12))
        cut = RANDOM.randrange(len(text) + 1)
        fresh = SecretLines()
        assert lines.mask_around(text[:cut], text[cut:]) == fresh.mask_around(
            text[:cut], text[cut:]
        )
        assert lines.knows_around(text[:cut], text[cut:])
