"""Ways to write a secret that went out unmasked, and what looks like one and is none."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.gate import Admitted, Gate
from midfill_lsp.context.secret_forms import Syntax, form_spans
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.secret_looks import looks_random
from midfill_lsp.context.workspace import Workspace
from midfill_lsp.named_values import likely_values

WORD, RANDOM = "hunter2pass", "abcdefghij0123456789"
HEX = "0123456789abcdef" * 4
MIXED = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"


IN_SCRIPTS = [
    ("export DB_PASSWORD={}", WORD), ("API_KEY={}", RANDOM), ("SECRET_KEY={}", "AbCd1234efgh"),
    ("SECRET_KEY={}", "/a8Kd93kfLd0sZq2="), ("API_KEY={}", "@abc123def456="),
    ("PGPASSWORD={}", WORD), ("export GITHUB_TOKEN={}", RANDOM), ("export X_TOKEN={} cmd", RANDOM),
    ("mysql -uroot --password={}", WORD), ("tool --password {} --all", WORD),
    ("tool --token {}", RANDOM), ("ENV DB_PASSWORD {}", WORD), ("set -gx DB_PASSWORD {}", WORD),
    ("ARG NPM_TOKEN={}", RANDOM), ("ANSIBLE_VAULT_PASS: {}", WORD), ("nexusToken={}", RANDOM),
    ("passphrase: {}", WORD), ("    token: {}", RANDOM), ("    - API_TOKEN={}", RANDOM),
    ("machine a.example login anna password {}", WORD), ("  password {}", WORD),
    ("_auth={}", "YWRtaW46aHVudGVyMg=="), ("password: {}", "@Dmin2024!"),
    ("DB_PASSWORD={}", "%tgb6YHN5rfv"), ("password: {}", "*Sup3rSecret"),
    ("DB_PASSWORD={}", "?Xy12345"), ("DB_PASSWORD={}", "!Dmin2024x"),
    ("AWS_SECRET_ACCESS_KEY={}", "/JalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE"),
    ("spring.datasource.password={}", "hunter2(prod"), ("  -u admin:{} \\", WORD),
    *(("spring.datasource.password={}", value) for value in (
        "S3cret[1]", "hunter2(new)", "correct.horse[battery]", "!hunter2!", "@dmin-pa55",
        "$ecret123", "*letmein*", "{cipher}AQA3xk2z",
    )),
    ("DATABASE_URL=postgres://anna:{}@h/db", "hunter2!"),
    ("SECRET_PROFILE={}", "hunter2x"), ("secret_path: {}", "s3cr3tpath9xyzw"),
    ("SECRET_NAME={}", "abcd1234efgh"), ("password_type: {}", "s3cr3tpath9xyzw"),
    ('- "PASS={}"', WORD), ("ENV DB_PASSWORD {}", "HUNTERTWO"),
]  # fmt: skip
ANYWHERE = [
    ('token = "{}"', RANDOM), ("GITHUB_TOKEN = '{}'", RANDOM), ('"Token": "{}",', RANDOM),
    ('headers = {{"X-Auth-Token": "{}"}}', RANDOM), ('PASS = "{}"', WORD),
    ('passphrase = "{}"', "correct horse battery"), ('signing_key = "{}"', "AbCdEfGh12345678"),
    ('const encryptionKey: string = "{}"', "AbCdEfGh12345678"), ('auth = ("anna", "{}")', WORD),
    ('#define API_TOKEN "{}"', RANDOM), ('"X-Api-Key": "{}"', "tiger-lily-7"),
    ('curl -H "X-Api-Key: {}"', HEX[:32]), ('curl -H "PRIVATE-TOKEN: {}" https://x', RANDOM),
    ("curl -u admin:{} https://x", WORD), ('"Authorization: Basic {}"', "YWRtaW46aHVudGVyMnA="),
    ('"Server=x;User ID=sa;Password={};Encrypt=True"', "Pa55w0rd!x"),
    ('"Server=x;Password={}"', "letmein"), ('"Password={}; Encrypt=True"', "letmein"),
    ('"host=db user=anna password={}"', "letmein"), ("'https://a/?b=c&password={}'", "letmein"),
    ('"jdbc:mysql://a/b?password={}"', "letmein"), ('"https://a/login?password={}"', "letmein"),
    ('"Password={};"', "letmein"), ("'PWD={};'", "letmein"),
    (r"b('it\'s', 'password={}')", WORD), ("# don't b('password={}')", WORD),
    ('"postgres://anna:{}@h/db"', "hunter2!"), ('"mongodb+srv://anna:{}@h/db"', "abc+def="),
    ('"mysql://root:{}@h"', "s3cret*"), ('"https://anna:{}@h/x"', "Tr0ub4dor&3"),
    ("'amqp://user:{}@h'", "pa,ss"), ("f'amqp://{{user}}:{}@h'", "pa;ss"),
    ('token = "{}"', "kQzRtYbWmXpLsDfG"), ('{{"name": "api_key", "value": "{}"}}', WORD),
    ("curl -s https://a/?b=c&d -u admin:{}", WORD),
    (f"curl --fail -T a.jar https://a.example/{'path/' * 60}a.jar -u admin:{{}}", WORD),
    (f"curl --data '{'a' * 700}' --user admin:{{}} https://a", WORD),
    ("${{CURL}} -u admin:{}", WORD), ("mycurl -u admin:{}", WORD), ('"curl" -u admin:{}', WORD),
    ("'/usr/bin/curl' -s -u admin:{}", WORD), ('CURL_OPTS="-s -u admin:{}"', WORD),
    ("CURL_ARGS: -u admin:{}", WORD), ('f"{{CURL}} -u admin:{} https://x"', WORD),
    (r"curl -d it\'s -u admin:{}", WORD), ("curl -u 12345678:{} https://a", "87654321"),
    ("curl -H 'Accept: a/b; c=4' -u admin:{} https://a", "letmein"),
    ('dsn = "dbname=x user=y password={}"', WORD), ('"localhost:6379,password={},ssl=1"', WORD),
    ("redis://:{}@localhost:6379/0", "s3cr3tpw"), ("https://a/c?sv=1&sig={}", f"Z%2F{MIXED}%3D"),
    ("https://a/c?sv=1;sig={}", f"Z%2F{MIXED}%3D"), ("<password>{}</password>", "Let me in"),
    ('<add key="Password" value="{}" />', "letmein"), ('<add key="Pwd" value="{}"/>', "Letmein"),
    ('"postgresql://anna:{}@db"', "p{a}ss"), (r"'postgresql://anna:{}@db'", r"pa\\ss"),
    ("<password>{}</password></server>", WORD), ("<ns:apiKey a='b'>{}</ns:apiKey>", WORD),
    ('<property name="db.password" value="{}"/>', "letmein"),
    ('<Parameter name="password" value="{}"/>', "Summer"),
    ('- {{"name": "DB_PASSWORD", "value": "{}"}}', "letmein"),
    ('<add key="ApiKey" value="{}" />', WORD), ('{{"name": "DB_PASSWORD", "value": "{}"}}', WORD),
    ('password = "{}"', "pwdS3cret!42"), ("db_password: '{}'", "pwd4Production"),
    ('{{"password": "{}"}}', "pwd-of-anna-2024"), ('dbPass = "{}"', WORD),
    ('SMTPPASS = "{}"', WORD), ('access_key = "{}"', RANDOM), ('HTTPBasicAuth("anna", "{}")', WORD),
    ("password '{}'", WORD), ("client-key-data: {}", f"LS0tLS1{MIXED}"),
    ("https://discord.com/api/webhooks/123456789012345678/{}", MIXED),
    *(("a('{}')", token) for token in (
        f"npm_{MIXED}", f"dop_v1_{HEX}", f"hvs.{MIXED}", f"ya29.{MIXED}", f"GOCSPX-{MIXED[:28]}",
        f"shpat_{HEX[:32]}", f"lin_api_{MIXED}0123", f"dapi{HEX[:32]}", f"gsk_{MIXED}{MIXED[:16]}",
        f"r8_{MIXED}1", f"xai-{MIXED * 2}", f"sbp_{HEX[:40]}", f"whsec_{MIXED[:32]}",
        f"xapp-1-A0123456789-{MIXED}", f"AGE-SECRET-KEY-1{MIXED.upper()}ABCDEFGHIJKLMNOPQRSTUV",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("line", "secret"), IN_SCRIPTS + ANYWHERE)
def test_it_is_masked_where_values_need_no_quotes(
    lines: SecretLines, line: str, secret: str
) -> None:
    text = line.format(secret)
    masked = lines.mask(text, Syntax.CONFIG).text
    assert secret not in masked
    assert masked.startswith(text.partition(secret)[0])
    assert len(masked) == len(text)


@pytest.mark.parametrize(("line", "secret"), ANYWHERE)
def test_it_is_masked_in_code_and_the_rest_stands(
    lines: SecretLines, line: str, secret: str
) -> None:
    expected = line.format("x" * len(secret))
    assert lines.mask(line.format(secret)).text == expected
    start = line.format(secret).index(secret)
    for cut in (0, start, start + len(secret) // 2, start + len(secret), len(expected)):
        prefix, suffix, num = lines.mask_around(
            line.format(secret)[:cut], line.format(secret)[cut:]
        )
        assert (secret in prefix + suffix, num) == (False, 1)


@pytest.mark.parametrize(
    "line",
    [
        "token = tokenizer.next()", '"token": "identifier",', "generate(max_tokens=100)",
        'items.sort(sort_key="name")', 'primary_key = "user_id"', 'token_type = "bearer2abc"',
        'cache_key = "user:42:profile"', 'token = "sha256"', 'state_key = "oauth2_state"',
        'tokenizer = "cl100k_base1a2b"', 'TOKEN = r"[A-Za-z0-9]+"', 'token = f"{a1b2c3d4e5}"',
        "password=base64password)", "connect(user=user, password=password1, host=host)",
        'PASS = "\\033[92mPASS\\033[0m"', "<password>${env.PASSWORD}</password>",
        '<input name="password" value="">', '<label for="password">Password</label>',
        "docker run -u 1000:1000 image", "docker run --name curl -u 1000:1000 image",
        'raise E("Basic authentication is not enabled")',
        'dsn = f"user={user} password={password}"', '"SET password=:password, name=:name"',
        'help="such as --password=PASSWORD"', 'key = "uploads/2024/a1b2c3d4.png"',
        "password = var.db_password", "def token(self) -> str:",
        # Names that only hold one.
        'compass = "north1east2"', '"monkey": "abc123def"', '"hotkey": "ctrl1a2b3c"',
        'author("Anna", "anna1b2c3d4e")', 'authorize("users", "read2write3x4")',
        # Pairs of SQL and of messages, and what stands between two texts.
        '"UPDATE users SET password=excluded.password, mail=excluded.mail"',
        '"SELECT id FROM users JOIN v ON u.password=v.password"',
        '"SELECT id FROM users WHERE name=? AND password=hashed"', '"a WHERE pwd=pwd_old"',
        'log.info("password=hidden")', '"password=redacted"', 'assert "password=wrong" in url',
        'throw new Error("password=missing")', "'pwd=window.location'", '"a=b;password=redacted"',
        r"connect('it\'s', password=user_password, db='x')",
        'end of text", password=user_passwor1, name="x")',
        "# don't set password=secret_valu1 here, it's bad",
        # Values of forms, columns and the like.
        '{ name: "passwordStrength", value: "weak2" }', '{"name": "password", "value": "text"}',
        '<input type="button" name="changePassword" value="Change"/>',
        '{"name": "secretary", "value": "Anna-2"}', 'Option(name="secret_level", value="high-2")',
        'Field(key="api_key_type", value="bearer2")', "<Secret>Some text</Secret>",
        '<meta name="api-key-status" value="active2">',
        # Calls, images and comments.
        "hvs.calculate_hypervolume_subset(x)", "hvb.some_long_attribute_name(3)",
        "a=1;sig=computeSignatureForRequest(b)", "b?sig=computeSignatureForRequest(b)",
        "docker run --rm -u 1000:1000 curlimages/curl -v x", "// wrong password 'abc1'",
        "docker exec -u www-data:www-data app curl x", "curl x && docker run -u 1000:1000 y",
        '"postgres://anna:$pass@h"', '"postgres://anna:${pass}@h"', '"postgres://anna:%s@h"',
        'f"postgres://anna:{password}@h"', '"http://anna:****@h"', '"http://a:8080, anna@b.c"',
        '"http://a:8080,anna@b.c"', 'f"{a}://{b}:{c}@{d}"', '"://a:${b}{c}@d"', '"{}://{}:{}@{}"',
        r're.compile(r"://\w+:\w+@")', '"http://c:80\\n@d"',
        'f"http://a:80{b}@2x.png"', 'r"://([^:]+):([^@]+)@"',
        'token = "SeamlessM4TForSpeechToText"', 'token = "getHTTPResponseById"',
        # Public by nature.
        "Version=4.0.0.0, PublicKeyToken=b77a5c561934e089",
        "<PublicKeyToken>b77a5c561934e089</PublicKeyToken>",
        'deploy_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1x2"',
        # Keys of data.
        'idempotency_key = "550e8400-e29b-41d4-a716-446655440000"', 'lookup_key = "8f14e45f"',
        's3_key = "uploads/abc123def456/file.txt"', 'image_key = "images/IMG20240101a1b2.jpg"',
        'color_key = "#ff00aa11"', 'date_key = "20240101T120000Z"', 'queryKey: "user1x2y3z",',
        '<Trans i18nKey="home.section1title2b3" />', "primary_key=Model1a2b3c4d5e6f7.id,",
        r'RegistryKey = "SOFTWARE\\Microsoft\\Win32x64b\\Run"',
        "cacheKey: buildCacheKey2b3c4d5e6f,",
        'color_token = "#ff00aa11"', 'file_token = "uploads/abc123def456/file.txt"',
        # Placeholders and labels.
        '{ name: "password", value: "Password" }', '<option name="secret" value="secret">',
        "<Password>Enter</Password>", '<add key="Password" value="Password" />',
        '<add key="PasswordLength" value="eight" />', "a=1;sig=hash256OfTheRequestBody(b)",
    ],
)  # fmt: skip
def test_ordinary_code_passes(lines: SecretLines, line: str) -> None:
    assert lines.mask(line).text == line


@pytest.mark.parametrize(
    "line",
    [
        "password=$1", "token=$(get_token 1)", 'TOKEN="${TOKEN}"', "pwd=`pwd`", "PASSWORD=",
        'read -rsp "Password: " password', 'if [ -z "$password" ]; then', "--password) shift ;;",
        "PASSWORD_FILE=/run/secrets/db", "echo $TOKEN | docker login --password-stdin",
        "password: true", "token: identifier", "password = getpass()", "local token=$2 key=$3",
        'curl -H "Authorization: Basic $AUTH"', "token: ${{ secrets.TOKEN }}", "SECRET_DIR=./keys",
        "bypass: a1b2c3d4e5f6", 'echo "PASS: test_1a2b3c4d"', "sort -u a:bcde1f2g3h4",
        "gpg --recv-keys 9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
        "ENV GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568", "secret: arn:aws:kms:eu-1:1:key/1",
        "kms_key: arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "cache_key: linux-x64-node20-abc123def456", "password: !vault |", "api_key: !ENV API_KEY",
        'echo "Usage: $0 --token TOKEN --password PASSWORD"', "password=%(name)s",
        "password: *alias", "password: @file", "PASSWORD=%DbPassword2%", "SECRET=/srv/k8s/Key2.pem",
        "password = get_secret(name)", "docker build --secret id=npm,src=.npmrc",
        "ansible --private-key key.pem", "secretName: my-secret",
    ],
)  # fmt: skip
@pytest.mark.parametrize("syntax", [Syntax.CONFIG, Syntax.SHELL])
def test_ordinary_scripts_pass(lines: SecretLines, line: str, syntax: Syntax) -> None:
    assert lines.mask(line, syntax).text == line


@pytest.mark.parametrize(
    "line",
    [
        'if [ "$secret" = none ]; then', 'test "$password" = x || die "bad password: $password"',
        'echo "Missing password: use --password"', "password_length=1024", "PASSWORD_MIN_LEN=8",
        "SECRETS_FILE=secrets.yaml", "password_file=pw.txt", "secret_name=my-secret",
        "ssl_client_key=client.pem", "sed -i 's/^password:.*/password: new/' f",
        "export API_KEY=[your key]", "PASSWORD_FILE=${PASSWORD_FILE:-letmein}",
        'echo "Invalid password: please try again"', "${PASSWORD:+--password}",
        'if [ "$password" != none ]; then', "password=${password:-$1}", "wget --password-stdin x",
        'sed -i "s/^password: .*/password: $PASSWORD/" f', "# password: see the docs",
    ],
)  # fmt: skip
def test_what_only_a_shell_writes_passes(lines: SecretLines, line: str) -> None:
    # A value went on to the line's end, through the shell's own words.
    assert lines.mask(line, Syntax.SHELL).text == line


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("export DB_PASSWORD={}", "hunter2"), ('DB_PASSWORD="{}"', "hunter two"),
        ("PASSWORD={} mysql; x", "hunter2"), ("a=1;PASSWORD={};b=2", "hunter2"),
        ("PASSWORD={}", r"pa\$\$word"), ("mysql --password={} -u x", "hunter2"),
        ("mysql --password {} -u x", "hunter2"), ("set -gx DB_PASSWORD {}", "hunter2"),
        ("set DB_PASSWORD={}", "hunter2"), ("API_TOKEN={}", RANDOM),
        ("${{PASSWORD:={}}}", "hunter2"), ("PASSWORDS={}", "ab,cd[ef]"),
        ("DB_PASSWORD=${{DB_PASSWORD:-{}}}", "hunter2"), ('A="${{DB_PASSWORD:-{}}}"', "letmein"),
        ("export DB_PASSWORD=${{DB_PASSWORD-{}}}", "s3cr3tpw"),
        ("A=${{DB_PASSWORD:-'{}'}}", "letmein"),
        # What it writes into other files, and compares.
        ("  password: {}", "correct horse, battery"), ("password = {}", "Tr0ub4dor&3"),
        ("{{password: {}}}", "letmein"),
        ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYZZAMPLEKEY"),
        ("password = {}", "hunter2"), ("  password: {}", "hunter2"), ("  password: {}", "letmein"),
        ("  POSTGRES_PASSWORD: {}", "s3cr3tpw"), ("  api_key: {}", "abcdef123456"),
        ("client_secret: {}", "Q1w2e3r4"), ('"password" : {},', "hunter2"),
        ("password => {}", "hunter2"), ('echo "password: {}" > c.yml', "hunter2"),
        ("echo 'db_password = {}'", "hunter2"), ("echo password: {} >> x", "letmein"),
        ('curl -H "X-Api-Key: {}" x', "s3cr3tpw"), ('if [ "$PASSWORD" = {} ]', "hunter2"),
        ("if [[ $PASSWORD == {} ]]; then", "hunter2"), ("set DB_PASSWORD = {}", "hunter2"),
        ("openssl req -passout pass:{}", "hunter2abc"), ("openssl enc -pass pass:{}", "letmein"),
        ("sed -i 's/DB_PASSWORD=/DB_PASSWORD={}' x", "hunter2/"),
    ],
)  # fmt: skip
def test_values_of_a_shell_are_masked(lines: SecretLines, line: str, secret: str) -> None:
    expected = line.format("x" * len(secret))
    assert lines.mask(line.format(secret), Syntax.SHELL).text == expected


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("password = {}", "letmein("), ("password: {}", "!hunter2!"), ("PASSWORD={}", "letmein[1]"),
        ("db.password={}", "<hunter"), ("password=  {}  ", "#hunter two"), ("secret={}", ":foo?b"),
    ],
)  # fmt: skip
def test_each_character_of_a_setting_is_its_own(lines: SecretLines, line: str, secret: str) -> None:
    # A tag and an alias of YAML, a call, an entry and a template were seen in them.
    expected = line.format("x" * len(secret))
    assert lines.mask(line.format(secret), Syntax.SETTINGS).text == expected


@pytest.mark.parametrize(
    "value",
    ["${db.password}", "$(cat x)", "$DB_PASS_2", "$password", "%(password)s", "@project.password@",
     "<password>", "{{ password }}", "{password}", "# none", "[a, b]", "{a: b}", "true", "/a/b",
     "*****", "a.pem"],
)  # fmt: skip
def test_templates_of_settings_pass(lines: SecretLines, value: str) -> None:
    line = f"password = {value}"
    assert lines.mask(line, Syntax.SETTINGS).text == line


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (WORD, True), (RANDOM, True), ("a1b2c3d4", True), (HEX[:16], True), ("Pa55w0rd!x", True),
        ("550e8400-e29b-41d4-a716-446655440000", True), ("AbCd1234efgh", True),
        ("identifier", False), ("1234567890", False), ("user_id_2", False), ("user12", False),
        ("sha256sum", False), ("base64UrlSafe", False), ("Step2Title", False),
        ("#ff00aa11", False), ("a/abc123def456.txt", False), ("a/abc123def456", True),
        ("2024-01-01T00:00:00Z", False), ("a b1c2d3e4f5", False), ("a1b2c3", False),
    ],
)  # fmt: skip
def test_what_looks_random(value: str, expected: bool) -> None:
    assert looks_random(value) == expected


@pytest.mark.parametrize("name", ["a.sh", "a.bash", "a.fish", "a.bat", "Dockerfile"])
def test_values_of_scripts_need_no_quotes(tmp_path: Path, name: str) -> None:
    gate = Gate(ContextConfig, Workspace([tmp_path]))
    answer = gate.admit((tmp_path / name).as_uri(), f"DB_PASSWORD={WORD}\n", "remote", "document")
    assert isinstance(answer, Admitted)
    assert (answer.text, answer.num_secrets) == (f"DB_PASSWORD={'x' * len(WORD)}\n", 1)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("a.py", ""), ("a.sh", "ab"), ("Dockerfile", "ab"), ("a.sh.dist", "ab"), ("a.yaml", "ab"),
        ("a", "ab"), ("a.tf.example", "ab"), ("a.ini", "abc"), ("a.properties.sample", "abc"),
        (".env.template", "abc"),
    ],
)  # fmt: skip
def test_a_files_name_tells_how_it_writes_values(tmp_path: Path, name: str, masked: str) -> None:
    gate = Gate(ContextConfig, Workspace([tmp_path]))
    values = {"a": "password=hunter2", "b": "password: hunter2", "c": "password=!letmein!"}
    found = ""
    for key, line in values.items():
        answer = gate.admit((tmp_path / name).as_uri(), line, "remote", "document")
        assert isinstance(answer, Admitted)
        found += key if answer.num_secrets else ""
    assert found == masked


PIECES = [
    "token", "token=", "app_key=", "token:", 'token="', "--token ", "-", "<", "<token>a", "<token ",
    'name="token" value="', "login ", "password ", "-u a:", "-u a:bbbb ", "curl -u a:bbbb ",
    "curl", "curl=", "${password:-", "password : ", "pass:",
    "authorization ", "://:", "_auth=", "://a:b", "://", "curl ",
    "curl '", 'curl " ', "\\'", "\\\"", "'", "password=a;", "hvs.", "?sig=a",
    'auth("', "client-key-data:", "ENV ", "set -a ", '"password=', "?sig=", "#define ", " ", '"',
]  # fmt: skip


LONG_PIECES = [*((piece, 60_000) for piece in PIECES), ("-u a:bbbb ", 600_000)]


@pytest.mark.parametrize(("piece", "num_chars"), LONG_PIECES)
def test_long_lines_of_one_piece_take_no_time(piece: str, num_chars: int) -> None:
    # Time in the square of such a line's length would be minutes here; it takes 0.2 s at most.
    # The last looked for "curl" in the whole line at each of its options.
    num_pieces = num_chars // len(piece)
    line = piece * num_pieces + string.punctuation
    spans = [list(form_spans(line, line, syntax)) for syntax in Syntax][Syntax.CONFIG]
    values = list(likely_values(line))
    found = [line[start:end] for start, end in spans]
    assert found == ["bbbb"] * (num_pieces if "curl -u" in piece else 0)
    assert {line[value.start - 1] for value in values} == ({'"'} if piece == 'token="' else set())
