"""The language server's settings in the VS Code extension's package.json: `make docs`.

`python -m midfill_lsp.settings.vscode FILE` rewrites them in FILE, and leaves the extension's own.

A workspace's settings in VS Code come with the code as `midfill.toml` does, and VS Code can't
narrow. So what such a file may not set has the scope `machine` (the user's settings alone), and so
has what it may only narrow for the sake of privacy; what else it may narrow, a trusted workspace
sets.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from midfill_lsp.settings.settle import Setting, known_settings

_TITLES = {
    "engine": "Midfill's engine",
    "backend": "Another server",
    "completion": "Completion",
    "context": "Context and privacy",
}
_MACHINE_GROUPS = ("engine", "backend", "context")


def contributed() -> list[dict[str, Any]]:
    """Return the groups of settings as `contributes.configuration` lists them."""
    groups: dict[str, dict[str, Any]] = {}
    for item in known_settings().values():
        group = item.names[0]
        title = _TITLES.get(group, group.capitalize())
        section = groups.setdefault(group, {"title": title, "properties": {}})
        section["properties"][f"midfill.{item.wire}"] = _property(item)
    return list(groups.values())


def restricted() -> list[str]:
    """Return the settings that an untrusted workspace may not set, of those a workspace may."""
    return [
        f"midfill.{item.wire}"
        for item in known_settings().values()
        if _scope(item) != "machine" and item.facts["workspace"] == "narrows"
    ]


def rewrite(manifest: str) -> str:
    """Return the package.json with the settings of today."""
    package: dict[str, Any] = json.loads(manifest)
    groups: list[dict[str, Any]] = package["contributes"]["configuration"]
    known = {f"midfill.{group}." for group, _ in known_settings()}
    own = [
        group
        for group in groups
        if not any(name.startswith(tuple(known)) for name in _names(group))
    ]
    package["contributes"]["configuration"] = contributed() + own
    package["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"] = restricted()
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def _names(group: dict[str, Any]) -> list[str]:
    return list(cast("dict[str, object]", group["properties"]))


def _scope(item: Setting) -> str:
    right = item.facts["workspace"]
    if right is None or (right == "narrows" and item.names[0] in _MACHINE_GROUPS):
        return "machine"
    return "window"


def _property(item: Setting) -> dict[str, Any]:
    return {
        **_type(item.hint, item),
        "default": _default(item),
        "scope": _scope(item),
        "markdownDescription": _description(item),
    }


def _default(item: Setting) -> object:
    """Return the default as npm writes it: 120.0 is 120."""
    value = json.loads(json.dumps(item.default))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _type(hint: object, item: Setting) -> dict[str, Any]:
    """Return a hint as JSON schema."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return {"type": "string", "enum": list(parts)}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": {"type": "string"}}
    if len(parts) > 1:
        real = [_type(part, item) for part in parts if part is not type(None)]
        if type(None) not in parts:
            return {"anyOf": real}
        [only] = real
        return {**only, "type": [only["type"], "null"]}
    if hint is bool:
        return {"type": "boolean"}
    if hint is int or hint is float:
        bounds = {"minimum": item.facts["low"], "maximum": item.facts["high"]}
        return {"type": "integer" if hint is int else "number", **bounds}
    return {"type": "string"}


def _description(item: Setting) -> str:
    """Return the meaning, with links to other settings instead of into the page."""
    meaning = str(item.facts["meaning"])
    meaning = re.sub(r" ?\(\[[^\]]+\]\(#[^)]+\)\)", "", meaning)
    meaning = re.sub(r"\[([^\]]+)\]\(#[^)]+\)", r"\1", meaning)
    known = {other.wire for other in known_settings().values()}

    def link(match: re.Match[str]) -> str:
        return f"`#midfill.{match[1]}#`" if match[1] in known else match[0]

    meaning = re.sub(r"`(\w+\.\w+)`", link, meaning)
    begun = meaning if meaning.startswith("`") else meaning[0].upper() + meaning[1:]
    return begun if begun.endswith(".") else f"{begun}."


def main(path: Path) -> None:
    """Rewrite the package.json at `path`."""
    path.write_text(rewrite(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
