"""The plugin's help page, in real Neovim: it is found, and has every option and subcommand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.editors.neovim import PLUGIN, Neovim

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = PLUGIN / "doc" / "midfill.txt"


def make_tags(neovim: Neovim, folder: Path) -> str:
    """Return the tags that Neovim makes of the page."""
    shutil.copy(PAGE, folder)
    neovim.run(f"helptags {folder}")
    return (folder / "tags").read_text()


def test_the_tags_are_those_of_the_page(neovim: Neovim, tmp_path: Path) -> None:
    """They are committed: the folder alone in 'runtimepath' had no `:help midfill`."""
    committed = PAGE.with_name("tags").read_text()
    assert committed == make_tags(neovim, tmp_path), f"run :helptags {PAGE.parent}"


def test_the_page_is_found(neovim: Neovim) -> None:
    neovim.run("help midfill-install")
    assert neovim.lua("return vim.api.nvim_buf_get_name(0)") == str(PAGE)
    neovim.run("helpclose")


def test_the_help_has_every_option_and_subcommand(neovim: Neovim, tmp_path: Path) -> None:
    page = PAGE.read_text()
    tags = make_tags(neovim, tmp_path)
    assert all(f"*{tag}*" in page for tag in re.findall(r"^(\S+)", tags, re.MULTILINE))
    assert set(re.findall(r"\|(midfill[^|]*)\|", page)) <= set(re.findall(r"^\S+", tags, re.M))
    defaults = page.partition("The defaults: >lua\n")[2].partition("\n<\n")[0]
    told = defaults.strip().removeprefix("require('midfill').setup(").removesuffix(")")
    same = f"return vim.deep_equal({told}, require('midfill.config').defaults)"
    assert neovim.lua(same)
    for name in neovim.lua("return vim.tbl_keys(require('midfill.command').subcommands)"):
        assert re.search(rf"^:Midfill \[?{name}\b", page, re.MULTILINE), name
    described = neovim.lua("return vim.tbl_keys(require('midfill.config').defaults)")
    assert all(re.search(rf"^{name}\b", page, re.MULTILINE) for name in described)
