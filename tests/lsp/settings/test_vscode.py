"""The VS Code extension's package.json against the dataclasses: names, defaults, types, scopes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from midfill_lsp.settings import vscode
from midfill_lsp.settings.settle import known_settings

MANIFEST = Path(__file__).parents[3] / "clients" / "vscode" / "package.json"


def properties() -> dict[str, dict[str, Any]]:
    groups = json.loads(MANIFEST.read_text("utf-8"))["contributes"]["configuration"]
    return {name: facts for group in groups for name, facts in group["properties"].items()}


def test_the_manifest_is_as_made_from_the_settings() -> None:
    text = MANIFEST.read_text("utf-8")
    assert vscode.rewrite(text) == text, "run make docs"


def test_every_setting_has_its_default_there() -> None:
    found = properties()
    for item in known_settings().values():
        facts = found[f"midfill.{item.wire}"]
        assert facts["default"] == json.loads(json.dumps(item.default)), item.wire
        jsonschema.validate(facts["default"], facts)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("midfill.completion.debounceMs", -1),
        ("midfill.completion.debounceMs", "fast"),
        ("midfill.completion.mode", "word"),
        ("midfill.completion.disabledLanguages", "python"),
        ("midfill.backend.contextTokens", 1),
        ("midfill.engine.url", 5),
    ],
)
def test_bad_values_do_not_validate(name: str, bad: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, properties()[name])


def test_nothing_that_chooses_programs_hosts_or_tokens_is_a_workspaces() -> None:
    manifest = json.loads(MANIFEST.read_text("utf-8"))
    untrusted = manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    for name, facts in properties().items():
        if name.split(".")[1] in ("engine", "backend", "context", "server"):
            assert facts["scope"] == "machine", name
    assert "midfill.completion.enabled" in untrusted
