"""Settings from outside: read, checked, reported by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import Mock

import pytest

from midfill_lsp.config import CompletionConfig, Config, ContextConfig, EngineConfig
from midfill_lsp.context.ignore import mean, patterns_of
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.settle import Settled, known_settings, settle


def nested(depth: int) -> object:
    """Return what `a.a.a = 1` is in TOML, where a repository's file of 256 KB has room for."""
    made: dict[str, object] = {}
    for _ in range(depth):
        made = {"a": made}
    return made


def editor(values: Mapping[str, object], base: Config | None = None) -> Settled:
    return settle([Layer("the editor", values)], base)


def workspace(values: Mapping[str, object], base: Config | None = None) -> Settled:
    return settle([Layer("w", values, Path("/w/midfill.toml"), is_workspace=True)], base)


def test_everything_can_be_set() -> None:
    settled = editor(
        {
            "engine": {
                "url": "http://127.0.0.1:9",
                "apiKeyFile": "/k",
                "command": ["a", "b"],
                "device": "cpu",
                "startTimeoutS": 5,
            },
            "completion": {"debounce_ms": 0, "mode": "line", "disabledLanguages": ["markdown"]},
        }
    )
    config = settled.config
    assert settled.problems == ()
    assert config.engine == EngineConfig(
        url="http://127.0.0.1:9",
        api_key_file=Path("/k"),
        command=("a", "b"),
        device="cpu",
        start_timeout_s=5.0,
    )
    assert config.completion == CompletionConfig(
        debounce_ms=0, mode="line", disabled_languages=("markdown",)
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"completion": {"debounceMs": "x"}}, "midfill.completion.debounceMs: expected a whole"),
        ({"completion": {"debounceMs": True}}, "midfill.completion.debounceMs: expected a whole"),
        ({"completion": {"debounceMs": 1.5}}, "midfill.completion.debounceMs: expected a whole"),
        ({"completion": {"cacheEntries": 0}}, "from 1 to 10000, got 0; using 64"),
        ({"completion": {"mode": "word"}}, "one of auto, line, block, got 'word'; using 'auto'"),
        ({"completion": {"enabled": "no"}}, "expected true or false, got 'no'; using True"),
        ({"completion": {"disabledLanguages": [1]}}, "expected a list of texts"),
        ({"completion": []}, "midfill.completion: expected a group of settings"),
        ({"engine": {"url": ""}}, "midfill.engine.url: expected a text that is not empty"),
        ({"engine": {"startTimeoutS": float("nan")}}, "midfill.engine.startTimeoutS"),
        (
            {"engine": {"apiKeyFile": "~nosuchuser/k"}},
            "a path that begins in a home folder that exists, got '~nosuchuser/k'; using None",
        ),
        ({"completion": {"debounceMs": 16**5000}}, "got what is too long to show; using 'auto'"),
        (
            {"completion": {"disabledLanguages": [nested(100_000)]}},
            "got what is too long to show; using ()",
        ),
        (
            {"engine": {"modle": "x"}},
            "unknown setting midfill.engine.modle; did you mean midfill.engine.model?",
        ),
        ({"complete": {}}, "unknown setting midfill.complete; did you mean midfill.completion?"),
        ({"foo": 1}, "unknown setting midfill.foo; there are: engine, backend"),
        ({"debounceMS": 1}, "midfill.debounceMS; did you mean midfill.completion.debounceMs?"),
        ({"engine": {"zzz": 1}}, "unknown setting midfill.engine.zzz; there are: url, apiKeyFile"),
        ({"backend": {"kind": "tpi"}}, "one of engine, tgi, openai, llamacpp, ollama, got 'tpi'"),
        ({"backend": {"token": "hf_x"}}, "unknown setting midfill.backend.token; "),
        ({"backend": {"contextTokens": 1}}, "from 256 to 10000000, got 1; using None"),
        ({"engine": {"model": "./m"}}, "a whole path, from / or ~ on, got './m'; using 'starter'"),
    ],
)
def test_wrong_settings_are_told_and_defaulted(settings: dict[str, object], told: str) -> None:
    settled = editor(settings)
    assert settled.config == Config()
    (problem,) = settled.problems
    assert told in problem


def test_of_many_unknown_keys_some_are_told_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Looking for the name that each was near to took 4.6 s."""
    sought = Mock(wraps=difflib.get_close_matches)
    monkeypatch.setattr(difflib, "get_close_matches", sought)
    path = Path("/home/me/midfill.toml")
    values: dict[str, object] = {"engine": {f"key_{number}": 1 for number in range(16_000)}}
    values["completion"] = {"mode": "word"}
    problems = settle([Layer("file", values, path)]).problems
    assert sought.call_count == 20
    assert problems[19].startswith(f"{path}: unknown setting engine.key_19; ")
    assert "completion.mode: expected one of" in problems[20]
    assert problems[21:] == (f"{path}: 15980 more unknown settings",)


def test_null_and_the_editors_own_keys_mean_nothing() -> None:
    settings = {"trace": {"server": "off"}, "completion": {"mode": None}, "engine": None}
    assert editor(settings) == Settled(Config())


def test_what_is_not_set_comes_from_the_base() -> None:
    base = Config(engine=EngineConfig(model="mine"))
    config = editor({"engine": {"device": "cpu"}}, base).config
    assert (config.engine.model, config.engine.device) == ("mine", "cpu")


def test_layers_go_key_by_key_and_know_where_a_value_comes_from() -> None:
    path = Path("/home/me/midfill.toml")
    lower = {"completion": {"mode": "line", "debounce_ms": 1, "cache_entries": 5}}
    upper = {"completion": {"debounceMs": 2, "mode": None, "cacheEntries": "x"}}
    lines = {"completion.mode": 2}
    settled = settle([Layer("file", lower, path, lines), Layer("the editor", upper)])
    assert settled.config.completion == CompletionConfig(
        mode="line", debounce_ms=2, cache_entries=5
    )
    assert settled.origins == {
        "completion.mode": f"{path}:2",
        "completion.debounce_ms": "the editor",
        "completion.cache_entries": f"{path}",
    }
    assert settled.problems[0].endswith("got 'x'; using 5")


def test_a_file_is_told_with_its_line_and_its_paths_begin_there() -> None:
    values = {"completion": {"debounce_ms": -1}, "engine": {"api_key_file": "key"}}
    layer = Layer("file", values, Path("/c/midfill.toml"), {"completion.debounce_ms": 7})
    settled = settle([layer])
    assert settled.problems[0].startswith("/c/midfill.toml:7: completion.debounce_ms: expected")
    assert settled.config.engine.api_key_file == Path("/c/key")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("./m", "/c/m"),
        ("../m", "/m"),
        (".", "/c"),
        ("/m", "/m"),
        ("~/m", "~/m"),
        ("owner/m", "owner/m"),
        (".m/n", ".m/n"),
    ],
)
def test_a_models_folder_begins_at_the_file(written: str, meant: str) -> None:
    """No engine found it: each runs in another folder."""
    settled = settle([Layer("file", {"engine": {"model": written}}, Path("/c/midfill.toml"))])
    assert (settled.config.engine.model, settled.problems) == (meant, ())


@pytest.mark.parametrize(
    "values",
    [
        {"engine": {"command": ["sh", "-c", "x"]}},
        {"engine": {"url": "http://evil.example"}},
        {"engine": {"model": "evil/model"}},
        {"engine": {"api_key_file": "key"}},
        {"engine": {"api_key_file": "~nosuchuser/key"}},  # stopped the server
        {"backend": {"kind": "openai"}},
        {"backend": {"url": "http://evil.example"}},
        {"backend": {"token_file": "/home/me/.ssh/id"}},
        {"backend": {"token_variable": "SECRET"}},
        {"backend": {"ca_file": "ca.pem"}},
    ],
)
def test_a_workspace_may_choose_no_program_host_or_file(
    values: dict[str, dict[str, object]],
) -> None:
    settled = workspace(values)
    assert settled.config == Config()
    assert not settled.origins
    ((group, inner),) = values.items()
    (name,) = inner
    (problem,) = settled.problems
    assert f"{group}.{name} may not be set by a workspace's file" in problem
    assert f"midfill config set {group}.{name} VALUE" in problem


def test_a_workspace_narrows_and_sets_what_is_harmless() -> None:
    off = Config(completion=CompletionConfig(enabled=False, disabled_languages=("c",)))
    wide = {"completion": {"enabled": True, "disabled_languages": ["go", "c"], "mode": "line"}}
    settled = workspace(wide, off)
    assert settled.config.completion == CompletionConfig(
        enabled=False, disabled_languages=("go", "c"), mode="line"
    )
    assert "enabled may only be narrowed by a workspace's file: False stays" in settled.problems[0]
    assert not workspace({"completion": {"enabled": False}}).config.completion.enabled


def test_a_workspace_lets_nothing_pass_that_the_user_denies() -> None:
    own = Config(context=ContextConfig(deny=("secret/**",)))
    hostile = {"context": {"deny": ["gen/", "!gen/keep.py", "!secret/**", "!*"]}}
    denied = patterns_of(workspace(hostile, own).config.context.deny)
    assert mean(denied, "secret/a.py")
    assert not mean(denied, "other.py")
    honest = {"context": {"deny": ["gen/*", "!gen/keep.py"]}}
    denied = patterns_of(workspace(honest, own).config.context.deny)
    assert [mean(denied, name) for name in ("gen/a.py", "gen/keep.py")] == [True, False]


def test_only_what_a_field_allows_is_open_to_a_workspace() -> None:
    """A new setting is the user's alone until somebody thinks about it."""
    open_groups = {
        item.names[0] for item in known_settings().values() if item.facts["workspace"] is not None
    }
    assert not open_groups & {"engine", "backend"}


def test_a_key_that_orders_a_terminal_about_is_told_without() -> None:
    key = "\x1b]52;c;cHduZWQ=\x07\x1b[2Jx"
    for values in ({key: 1}, {"completion": {key: 1}}, {"completion": {"mode": key}}):
        assert all(problem.isprintable() for problem in workspace(values).problems)
        assert len(workspace(values).problems) == 1
