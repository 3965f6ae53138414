"""A conversation in Neovim: how the tests of `:MidfillChat` begin and end one."""

from __future__ import annotations

from tests.editors.neovim import Neovim

IS_QUIET = "vim.tbl_isempty(require('midfill.wire').growing)"


def begin(neovim: Neovim) -> None:
    """Open a file, and an empty conversation beside it."""
    neovim.edit(["x = 1", "y = 2"])
    neovim.run("MidfillChat!")


def end(neovim: Neovim) -> None:
    """Leave insert mode, and close the other windows."""
    neovim.type("<Esc>")
    neovim.run("only!")


def edit_alone(neovim: Neovim, lines: list[str]) -> None:
    """Open a file of these lines; a conversation is begun, and out of sight."""
    begin(neovim)
    end(neovim)
    neovim.edit(lines)
