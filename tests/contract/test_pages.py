"""What the pages for users say of installing, and of the programs' options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from midfill_engine.cli import main

ROOT = Path(__file__).parents[2]


def test_install_names_what_a_checkout_has() -> None:
    """README.md told only of a package that was not published."""
    section = (ROOT / "README.md").read_text("utf-8").split("\n## Install\n")[1].split("\n## ")[0]
    lines = re.findall(r"^pip install (.+?)(?:  +#.*)?$", section, re.MULTILINE)
    assert lines
    extras = (ROOT / "pyproject.toml").read_text("utf-8")
    for line in lines:
        place = re.fullmatch(r"\.(?:\[(\w+)\])?", shlex.split(line)[-1])
        assert place, line
        assert place[1] is None or f"\n{place[1]} = [" in extras


def test_torch_is_the_one_that_is_tested() -> None:
    named = re.findall(r"torch==[\d.]+\d", (ROOT / "README.md").read_text("utf-8"))
    assert named
    assert set(named) <= set((ROOT / "constraints.txt").read_text("utf-8").splitlines())


def test_the_options_of_info_come_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The page counted eleven, when there were twelve."""
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    last = re.search(r"those down to `(--[\w-]+)` are also options of `midfill-engine info`", page)
    assert last
    listed = re.findall(r"^\| `(--[\w-]+)` \|", page, re.MULTILINE)
    with pytest.raises(SystemExit):
        main(["info", "--help"])
    options = re.findall(r"^  (--[\w-]+)", capsys.readouterr().out, re.MULTILINE)
    assert listed[: listed.index(last[1]) + 1] == options
