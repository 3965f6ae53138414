"""Where tokens come from, and who gets them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_lsp.backend.tokens import EditorTokens, TokenSource
from midfill_lsp.config import BackendConfig
from midfill_lsp.errors import AccessDenied
from midfill_lsp.hosts import HUB as HUB_HOSTS
from midfill_lsp.hosts import host_of, is_among, named_hosts

HUB = "https://router.huggingface.co"
ELSEWHERE = "https://api.example"


def source(
    environment: dict[str, str],
    editor: EditorTokens | None = None,
    named: frozenset[str] = frozenset(),
    **settings: Any,  # noqa: ANN401
) -> TokenSource:
    return TokenSource(BackendConfig(kind="tgi", **settings), editor, environment, named)


async def found(source: TokenSource, url: str = HUB) -> str | None:
    token = await source.get(url)
    return token.value if token else None


async def test_the_hubs_token_in_its_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("hf_home\n")
    (tmp_path / "own").write_text("hf_path")
    environment = {"HF_HOME": str(home)}
    assert await found(source(environment)) == "hf_home"
    environment["HF_TOKEN_PATH"] = str(tmp_path / "own")
    assert await found(source(environment)) == "hf_path"
    environment["HF_TOKEN"] = " hf_variable "
    assert await found(source(environment)) == "hf_variable"
    assert await found(source({"HF_HOME": str(tmp_path)})) is None
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "token").write_text("hf_cache")
    assert await found(source(cache)) == "hf_cache"


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        (HUB, True),
        ("https://huggingface.co", True),
        ("https://huggingface.co.evil.example", False),
        ("https://nothuggingface.co", False),
        ("https://someone.hf.space", False),
        (ELSEWHERE, False),
        ("http://127.0.0.1:8080", False),
    ],
)
async def test_the_hubs_token_goes_to_the_hub_unasked(url: str, is_sent: bool) -> None:
    environment = {"HF_TOKEN": "hf_secret"}
    assert (await found(source(environment), url) is not None) is is_sent
    assert await found(source(environment, token_source="none"), HUB) is None
    off = {**environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    assert await found(source(off), url) is None


async def test_the_first_that_is_there_is_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of_file")
    editor = EditorTokens()
    environment = {"HF_TOKEN": "of_hub", "NAME": "of_variable"}
    settings: dict[str, Any] = {"token_variable": "NAME"}
    assert await found(source(environment, editor, **settings)) == "of_variable"
    settings["token_file"] = tmp_path / "token"
    assert await found(source(environment, editor, **settings)) == "of_file"

    async def answer(url: str) -> str | None:
        return f"of_editor_for_{url}"

    editor.ask = answer
    assert await found(source(environment, editor, **settings)) == f"of_editor_for_{HUB}"
    for name in ("editor", "file", "variable", "hub"):
        token = await found(source(environment, editor, token_source=name, **settings))
        assert token is not None
        assert token.startswith(f"of_{name}")


async def test_the_editor_is_asked_once_per_server() -> None:
    editor, asked, gate = EditorTokens(), list[str](), asyncio.Event()

    async def answer(url: str) -> str | None:
        asked.append(url)
        await gate.wait()
        return "x" if url == HUB else None

    editor.ask = answer
    waiting = [asyncio.create_task(editor.get(HUB)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    gate.set()
    assert [await task for task in waiting[1:]] == ["x", "x"]
    assert await editor.get(ELSEWHERE) is None
    assert await editor.get(ELSEWHERE) is None
    assert asked == [HUB, ELSEWHERE]
    editor.forget()
    assert await editor.get(HUB) == "x"
    assert asked == [HUB, ELSEWHERE, HUB]


@pytest.mark.parametrize("name", ["editor", "file", "variable", "hub"])
async def test_a_source_that_is_named_and_empty(name: str, tmp_path: Path) -> None:
    environment = {"HF_HOME": str(tmp_path)}
    with pytest.raises(AccessDenied, match=f"tokenSource is {name}, and there is no token"):
        await found(source(environment, token_source=name))


async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match=r"tokenFile '.*nowhere' cannot be read"):
        await found(source({}, token_file=tmp_path / "nowhere"))


@pytest.mark.parametrize("value", ["a b", "a\nb", "ä", "a\x00"])
async def test_what_is_no_token_is_not_sent(value: str) -> None:
    with pytest.raises(AccessDenied, match="characters that no token has") as caught:
        await found(source({"NAME": value}, token_variable="NAME"))
    assert value not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
async def test_plain_http_is_for_this_machine_only(url: str, is_sent: bool) -> None:
    tokens = source({"NAME": "secret"}, token_variable="NAME")
    if is_sent:
        assert await found(tokens, url) == "secret"
    else:
        with pytest.raises(AccessDenied, match="over plain http"):
            await found(tokens, url)


NO_SECRETS_BY_SETTINGS: list[dict[str, Any]] = [
    {"token_source": "hub"},
    {"token_source": "variable", "token_variable": "NAME"},
    {"token_source": "file", "token_file": Path("token")},
    {"token_variable": "NAME"},
]


@pytest.mark.parametrize("settings", NO_SECRETS_BY_SETTINGS)
@pytest.mark.parametrize(
    "url",
    [
        ELSEWHERE,
        "https://huggingface.co.evil.example",
        "https://evil.example/api.openai.com",
        "https://evil.example?.huggingface.co",
        "https://someone.hf.space",
        "https://x.us-east-1.aws.endpoints.huggingface.cloud",
    ],
)
async def test_settings_alone_take_no_secret_to_a_host(
    url: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A repository's settings once could name both the secret and the host.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("secret")
    environment = {"HF_TOKEN": "secret", "NAME": "secret"}
    with pytest.raises(AccessDenied, match=r"is not sent to .*MIDFILL_TOKEN_HOSTS") as caught:
        await found(source(environment, **settings), url)
    assert str(caught.value).count("secret") == 1  # the editor's secret storage
    mine = named_hosts({}, url)
    assert await found(source(environment, named=mine, **settings), url) == "secret"


async def test_where_a_secret_may_go_unnamed() -> None:
    environment = {"HF_TOKEN": "of_hub", "NAME": "of_variable"}
    mistral = "https://api.mistral.ai/v1"
    assert await found(source(environment, token_variable="NAME"), mistral) == "of_variable"
    assert await found(source(environment, token_source="hub"), "http://127.0.0.1:1") == "of_hub"
    assert await found(source(environment), mistral) is None
    with pytest.raises(AccessDenied, match=r"is not sent to api\.mistral\.ai"):
        await found(source(environment, token_source="hub"), mistral)


async def test_an_inference_endpoint_has_to_be_named_even_where_nothing_is_set() -> None:
    endpoint = "https://x.us-east-1.aws.endpoints.huggingface.cloud"
    environment = {"HF_TOKEN": "of_hub"}
    with pytest.raises(AccessDenied, match="tokenSource none"):
        await found(source(environment), endpoint)
    assert await found(source(environment, named=named_hosts({}, endpoint)), endpoint) == "of_hub"


def test_hosts_by_name() -> None:
    hosts = named_hosts({"MIDFILL_TOKEN_HOSTS": "A.example, *.b.example"}, "https://c:1/v1", None)
    assert hosts == {"a.example", "*.b.example", "c"}
    assert named_hosts({}, "https://[", "no url") == frozenset()
    for url, is_named in [
        ("https://a.example/x", True),
        ("https://A.example:8443", True),
        ("https://x.a.example", False),
        ("https://x.b.example", True),
        ("https://b.example", False),
        ("https://xb.example", False),
        ("https://a.example@evil.example", False),
        ("https://[", False),
    ]:
        assert is_among(url, hosts) is is_named, url


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://Router.HuggingFace.co",
        "https://huggingface.co:443",
        "https://evil.example\\.huggingface.co",
        "https://evil.example\t.huggingface.co",
        "https://evil.example#.huggingface.co",
        "https://evil.example\\@huggingface.co",
        "https://huggingface.co\\@evil.example",
        "https://huggingface.co%2eevil.example",
        "https://evil.example%2f.huggingface.co",
        "https://evil.example／.huggingface.co",  # noqa: RUF001
        "https://huggingface。co",
        "https://[::1].huggingface.co",
    ],
)
def test_the_host_that_is_looked_at_is_the_one_that_is_called(url: str) -> None:
    try:
        called = httpx.URL(url).host
    except httpx.InvalidURL:
        return
    assert host_of(url) == called or not is_among(url, HUB_HOSTS)


async def test_the_scheme_may_be_in_capitals() -> None:
    assert await found(source({"HF_TOKEN": "x"}), "HTTPS://huggingface.co") == "x"


async def test_a_token_is_not_in_its_repr() -> None:
    token = await source({"NAME": "secret"}, token_variable="NAME").get(HUB)
    assert "secret" not in repr(token)
