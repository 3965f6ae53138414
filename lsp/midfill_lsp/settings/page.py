"""The table of settings in docs/configuration.md, made from the dataclass tree: `make docs`.

`python -m midfill_lsp.settings.page FILE` rewrites the part of FILE between the two marks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal, cast, get_args, get_origin

from midfill_lsp.errors import ConfigError
from midfill_lsp.settings.settle import Setting, known_settings

BEGIN = "<!-- made by `make docs` from lsp/midfill_lsp/config.py -->"
END = "<!-- end of what `make docs` makes -->"

_HEADER = "| setting | default | workspace | meaning |\n| --- | --- | --- | --- |\n"


def table() -> str:
    """Return the table of all settings in Markdown."""
    return _HEADER + "".join(_row(item) for item in known_settings().values())


def rewrite(page: str) -> str:
    """Return the page with the table of today between the marks.

    Raises:
        ConfigError: the page lacks them.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"the page lacks the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{table()}\n{END}{tail}"


def _row(item: Setting) -> str:
    default = json.dumps(item.default)
    right = item.facts["workspace"] or "no"
    return f"| `{item.wire}` | `{default}` | {right} | {_meaning(item)} |\n"


def _meaning(item: Setting) -> str:
    meaning = str(item.facts["meaning"])
    choices = _choices(item.hint)
    missing = ", ".join(f"`{choice}`" for choice in choices if f"`{choice}`" not in meaning)
    notes: list[str] = []
    if missing:
        notes.append(missing if missing.count("`") == 2 * len(choices) else f"also {missing}")
    if "low" in item.facts:
        notes.append(f"{item.facts['low']:.0f} to {item.facts['high']:.0f}")
    return f"{meaning} ({'; '.join(notes)})" if notes else meaning


def _choices(hint: object) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for part in get_args(hint) for choice in _choices(cast("object", part))]


def main(path: Path) -> None:
    """Rewrite the page at `path`."""
    page = path.read_text(encoding="utf-8")
    path.write_text(rewrite(page), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
