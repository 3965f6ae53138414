"""docs/configuration.md against the dataclasses that it is made from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midfill_lsp.errors import ConfigError
from midfill_lsp.settings.page import main, rewrite
from midfill_lsp.settings.settle import known_settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert rewrite(page) == page, "run `make docs`"


def test_every_setting_is_listed_with_its_bounds_and_choices() -> None:
    rows = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.M))
    assert set(rows) == {item.wire for item in known_settings().values()}
    assert rows["completion.cacheEntries"].endswith("(1 to 10000)")
    assert rows["backend.fimFamily"].startswith('`"auto"` | no | ')
    assert "`starcoder`" in rows["backend.fimFamily"]


def test_what_is_around_the_table_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    old = PAGE.read_text("utf-8")
    page.write_text(old.replace("| `completion.enabled` |", "| `completion.gone` |"), "utf-8")
    main(page)
    assert page.read_text("utf-8") == old


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ConfigError, match="lacks the lines"):
        rewrite("# Configuration\n")
