"""Settings from outside: read, checked, reported by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.config import CompletionConfig, Config, EngineConfig
from midfill_lsp.settings import merge, parse


def test_everything_can_be_set() -> None:
    config, problems = parse(
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
    assert problems == []
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
        ({"engine": {"modle": "x"}}, "unknown setting midfill.engine.modle; there are: url,"),
        ({"complete": {}}, "unknown setting midfill.complete; there are: engine, backend"),
        ({"backend": {"kind": "tpi"}}, "one of engine, tgi, openai, llamacpp, ollama, got 'tpi'"),
        ({"backend": {"token": "hf_x"}}, "unknown setting midfill.backend.token; there are: kind"),
        ({"backend": {"contextTokens": 1}}, "from 256 to 10000000, got 1; using None"),
    ],
)
def test_wrong_settings_are_told_and_defaulted(settings: dict[str, object], told: str) -> None:
    config, problems = parse(settings)
    assert config == Config()
    (problem,) = problems
    assert told in problem


def test_null_and_the_editors_own_keys_mean_nothing() -> None:
    settings = {"trace": {"server": "off"}, "completion": {"mode": None}, "engine": None}
    assert parse(settings) == (Config(), [])


def test_what_is_not_set_comes_from_the_base() -> None:
    base = Config(engine=EngineConfig(model="mine"))
    config, _ = parse({"engine": {"device": "cpu"}}, base)
    assert (config.engine.model, config.engine.device) == ("mine", "cpu")


def test_merge_goes_key_by_key() -> None:
    lower = {"a": {"x": 1, "y": 2}, "b": 1}
    assert merge(lower, {"a": {"y": 3, "x": None}, "c": 4}) == {
        "a": {"x": 1, "y": 3},
        "b": 1,
        "c": 4,
    }
