"""docs/configuration.md against the dataclasses: every setting, its default, its bounds."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from midfill_lsp.config import Config, wire_name

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `(.*?)` \| (.*) \|$", PAGE.read_text("utf-8"), re.M)
    listed = {name: json.loads(default) for name, default, _ in rows}
    meanings = {name: meaning for name, _, meaning in rows}
    config, known = Config(), dict[str, Any]()
    for group in fields(config):
        node = getattr(config, group.name)
        for item in fields(node):
            default: Any = getattr(node, item.name)
            name = f"{group.name}.{wire_name(item.name)}"
            known[name] = json.loads(json.dumps(default))
            if item.metadata:
                low, high = item.metadata["low"], item.metadata["high"]
                assert f"({low:.0f} to {high:.0f})" in meanings[name], name
    assert listed == known
