"""What `midfill doctor` says of settings, of what they switch off, and of the latest requests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest

from midfill_lsp.cli import doctor, main
from midfill_lsp.cli.find_settings import find_latest
from midfill_lsp.cli.finding import Finding
from midfill_lsp.metrics import Explanation, Outcome
from midfill_lsp.recent import in_json


@pytest.fixture
def config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings and a workspace of the test's own; the engine and editors are taken for well."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("MIDFILL_CONFIG_DIR", str(folder))
    monkeypatch.chdir(tmp_path)

    async def found(_config: object) -> list[Finding]:
        return [Finding("engine", "ok", "answered")]

    def nothing(**_more: object) -> list[Finding]:
        return []

    monkeypatch.setattr(doctor, "find_engine", found)
    monkeypatch.setattr(doctor, "find_remote", found)
    monkeypatch.setattr(doctor, "find_editors", nothing)
    monkeypatch.setattr(doctor, "find_installed", nothing)
    return folder


def findings(capsys: pytest.CaptureFixture[str], status: int, *more: str) -> list[dict[str, Any]]:
    assert main(["doctor", "--json", *more]) == status
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (status == 0)
    listed: list[dict[str, Any]] = told["findings"]
    return listed


def test_nothing_set(config_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (settings, engine, _requests) = findings(capsys, 0)
    assert settings["found"].startswith(
        f"no file (yours would be {config_dir}/midfill.toml); 0 set"
    )
    assert engine["name"] == "engine"


def test_problems_are_broken(config_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config_dir / "midfill.toml").write_text("[completion]\nmode = 'word'\n")
    (config_dir.parent / "midfill.toml").write_text("[engine]\ncommand = ['sh']\n")
    broken = [one["found"] for one in findings(capsys, 1) if one["state"] == "broken"]
    assert f"{config_dir}/midfill.toml:2: completion.mode" in broken[0]
    assert f"{config_dir.parent}/midfill.toml:2: engine.command may not be set" in broken[1]
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith("Broken: settings.\n")


@pytest.mark.parametrize(
    ("state", "last"),
    [
        ("ok", "Completions work."),
        ("missing", "Completions work, once an editor finds midfill: see its line."),
    ],
)
def test_the_last_line_tells_whether_editors_find_it(
    config_dir: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    state: Literal["ok", "missing"],
    last: str,
) -> None:
    def installed(**_named: object) -> list[Finding]:
        return [Finding("midfill", state, "0.1.0")]

    monkeypatch.setattr(doctor, "find_installed", installed)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize(
    ("written", "options", "told"),
    [
        ("[completion]\nenabled = false\n", [], "all suggestions (completion.enabled, "),
        ("[completion]\ndisabled_languages = ['go']\n", [], "suggestions in go ("),
        ("[context]\nremote = 'none'\n", ["--backend", "openai"], "everything: the backend is"),
        ("[statistics]\nenabled = false\n", [], "statistics (statistics.enabled, "),
    ],
)
def test_what_is_switched_off_is_told(
    config_dir: Path,
    capsys: pytest.CaptureFixture[str],
    written: str,
    options: list[str],
    told: str,
) -> None:
    (config_dir / "midfill.toml").write_text(written)
    (off,) = [one for one in findings(capsys, 0, *options) if one["name"] == "switched off"]
    assert off["state"] == "missing"
    assert off["found"].startswith(told)
    assert "midfill config" in off["remedy"]


def test_a_gate_for_remote_backends_says_nothing_of_local_ones(
    config_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (config_dir / "midfill.toml").write_text("[context]\nremote = 'none'\n")
    local = ["--backend", "openai", "--backend-url", "http://127.0.0.1:1"]
    assert "switched off" not in {one["name"] for one in findings(capsys, 0, *local)}


@pytest.mark.parametrize(
    ("latest", "state"), [("shown", "ok"), ("skipped", "ok"), ("error", "broken")]
)
def test_the_latest_requests_are_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latest: Outcome, state: str
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path))
    outcomes: list[Outcome] = ["stale", "stale", latest]
    done = [
        {"at": at, "file": "a.py", **in_json(Explanation("1", "u", 1, 0, 0, outcome))}
        for at, outcome in enumerate(outcomes)
    ]
    facts = {"pid": os.getpid(), "requests": done}
    (tmp_path / "explanations-1.json").write_text(json.dumps(facts))
    (finding,) = find_latest()
    assert finding.state == state
    assert finding.found.startswith(f"the last 3: 2 stale, 1 {latest}. The latest: ")
