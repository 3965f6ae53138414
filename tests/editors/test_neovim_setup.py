"""Options, commands and health, in real Neovim."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editors.find import Editor
from tests.editors.neovim import Neovim, command, start
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("{ kyes = {} }", "unknown option kyes; there are: auto, cmd, enabled, filetypes, keys"),
        ("{ keys = { acept = '<Tab>' } }", "unknown option keys.acept; there are: accept, "),
        (
            "{ keys = { accept = 3 } }",
            'keys.accept: expected a key such as "<Tab>", or false, got 3',
        ),
        ("{ keys = true }", "keys: expected a table, got true"),
        ("{ keys = { next = '<tab>' } }", "keys: <Tab> is wanted by all of: accept, next; set"),
        ("{ cmd = 'midfill lsp' }", 'cmd: expected a list of texts such as { "midfill", "lsp" }'),
        ("{ cmd = {} }", "cmd: expected a list of texts"),
        ("{ enabled = 'yes' }", 'enabled: expected a boolean, got "yes"'),
        ("{ filetypes = { 'lua' } }", "filetypes: expected a table such as"),
        ("{ root_markers = { 1 } }", "root_markers: expected a list of file names"),
        (
            "{ max_file_bytes = -1 }",
            "max_file_bytes: expected a number of bytes, 0 or more, got -1",
        ),
        ("{ token = 'hf_abc' }", 'token: expected "ask", or a function of the URL'),
        ("{ settings = { 1 } }", "settings: expected a table such as"),
        ("{ settings = { engine = 'x' } }", "settings: expected a table such as { completion = "),
        ("{ settings = { backend = true } }", "got { backend = true }"),
        ("{ settings = 'x' }", "settings: expected a table such as"),
        ("'yes'", 'setup(): expected a table of options, got "yes"'),
    ],
)
def test_wrong_options_are_named(neovim: Neovim, options: str, told: str) -> None:
    code = f"local ok, err = pcall(require('midfill').setup, {options}) return ok and 'ok' or err"
    message = neovim.lua(code)
    assert message.startswith("midfill: ")
    assert told in message
    if "token" not in options:
        assert "hf_abc" not in message


def test_all_wrong_options_are_named_at_once(neovim: Neovim) -> None:
    code = "return select(2, pcall(require('midfill').setup, { auto = 1, enabled = 2 }))"
    assert len(neovim.lua(code).splitlines()) == 2


def test_subcommands_are_completed(neovim: Neovim) -> None:
    complete = "return vim.fn.getcompletion(..., 'cmdline')"
    assert neovim.lua(complete, "Midfill st") == ["stats", "status"]
    assert neovim.lua(complete, "Midfill disable ") == ["buffer"]
    assert neovim.lua(complete, "Midfill status ") == []
    assert neovim.lua(complete, "silent Midfill dis") == ["disable"]
    assert neovim.lua(complete, "vertical Midfill enable b") == ["buffer"]


def test_what_a_subcommand_does_not_know_is_named(neovim: Neovim) -> None:
    neovim.run("messages clear")
    for wrong in ("stauts", "toggle window", "status now"):
        neovim.type(f"<Esc>:Midfill {wrong}<CR><CR>")
    messages = neovim.run("messages")
    assert "no subcommand stauts; there are: disable, enable, explain, log" in messages
    assert "toggle takes nothing, or one of: buffer; got window" in messages
    assert "status takes nothing; got now" in messages


@pytest.mark.parametrize(
    ("subcommand", "told"),
    [
        ("status", "state: ready"),
        ("stats", "outcomes:"),
        ("explain", "The suggestion was sent to the editor.\ncacheHit: "),
        ("model", "model: fake-model\nbackend: fake"),
    ],
)
def test_what_the_server_says_is_printed(
    neovim: Neovim, script: Script, subcommand: str, told: str
) -> None:
    script.set("1")
    neovim.edit(["x = "])
    neovim.type("A")
    neovim.until_whole()
    neovim.type("<Esc>")
    neovim.run("messages clear")
    neovim.run(f"Midfill {subcommand}")
    neovim.until(lambda: neovim.run("messages"), lambda messages: told in messages)


def test_the_log_is_opened(neovim: Neovim) -> None:
    neovim.run("Midfill log")
    assert neovim.lua("return vim.api.nvim_buf_get_name(0)").endswith("lsp.log")
    neovim.run("tabclose")


def test_health_tells_what_was_found(neovim: Neovim) -> None:
    neovim.edit([])
    neovim.run("checkhealth midfill")
    report = "\n".join(neovim.lines)
    assert "the language server runs" in report
    assert "fake, model fake-model: ready" in report
    assert "all keys are mapped" in report
    assert "ERROR" not in report
    neovim.run("bdelete")


@pytest.mark.parametrize("which", ["nvim-new", "nvim-old"])
def test_a_model_that_nobody_knows(which: Editor, tmp_path: Path) -> None:
    """With the server down `:Midfill model` was a Lua error, and health named it `vim.NIL`."""
    backend = {"kind": "openai", "url": "http://127.0.0.1:9/v1"}
    setup: dict[str, object] = {
        "cmd": command("midfill_lsp.cli", "lsp", "--backend", "openai"),
        "settings": {"backend": backend},
    }
    with start(which, tmp_path, setup) as neovim:
        neovim.until_lua("require('midfill').status().state", "error")
        neovim.run("Midfill model")
        told = "model: not known yet\nbackend: openai at http://127.0.0.1:9"
        neovim.until(lambda: neovim.run("messages"), lambda messages: told in messages)
        neovim.run("checkhealth midfill")
        told = "openai at http://127.0.0.1:9, model not known yet: error: "
        assert told in "\n".join(neovim.lines)


def test_a_file_type_set_later_is_told(neovim: Neovim, script: Script) -> None:
    script.set("1")
    neovim.edit(["x = "], options="++bin")
    neovim.run("setfiletype python")
    neovim.type("A")
    neovim.until_screen("x = «1»")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neovim]:
    """A Neovim in which nobody has called `setup()`; the tests below do, in their order."""
    with start("nvim-new", tmp_path_factory.mktemp("bare"), None) as editor:
        yield editor


def set_up(neovim: Neovim, options: dict[str, object]) -> None:
    neovim.run("messages clear")
    neovim.lua("require('midfill').setup(vim.json.decode(...))", json.dumps(options))


def test_without_setup_nothing_is_started(bare: Neovim) -> None:
    bare.run("edit a.py")
    assert bare.lua("return #vim.lsp.get_clients()") == 0
    assert bare.lua("return require('midfill').statusline()") == ""
    assert bare.lua("return vim.fn.hlexists('MidfillGhost')") == 1
    bare.run("checkhealth midfill")
    assert "setup() was not called" in "\n".join(bare.lines)
    bare.run("bdelete")


def test_the_default_command_knows_the_place(bare: Neovim) -> None:
    settings = {"backend": {"kind": "ollama", "url": "http://127.0.0.1:11434"}}
    bare.run("enew")
    set_up(bare, {"filetypes": {"*": False}, "settings": settings})
    told = bare.lua("return require('midfill.server').command()")
    assert told[:2] == ["midfill", "lsp"]
    assert sorted(told[2:]) == sorted(
        ["--backend", "ollama", "--backend-url", "http://127.0.0.1:11434"]
    )


def test_no_program_is_told_once(bare: Neovim) -> None:
    set_up(bare, {"cmd": ["no-such-midfill", "lsp"]})
    bare.run("edit a.py")
    bare.run("edit b.py")
    told = "no-such-midfill is not executable; install it (:help midfill-install)"
    assert bare.run("messages").count(told) == 1


def test_no_program_is_told_where_a_model_is_chosen(bare: Neovim) -> None:
    """It was a Lua error."""
    bare.run("messages clear")
    bare.try_to("Midfill model owner/name")
    bare.until_message("Midfill: no-such-midfill is not executable; install it")


def test_where_it_is_not_wanted(bare: Neovim) -> None:
    filetypes = {"*": True, "markdown": False}
    set_up(bare, {"cmd": ["no-such-midfill"], "filetypes": filetypes, "max_file_bytes": 10})
    wants = "return require('midfill.server').wants(0)"
    bare.run("edit a.py")
    assert bare.lua(wants)
    bare.run("edit a.md")
    assert not bare.lua(wants)
    bare.run("edit c.py | call setline(1, 'longer than that')")
    assert not bare.lua(wants)
    bare.run("help | only")
    assert not bare.lua(wants)


def test_another_model_is_chosen_by_the_program(bare: Neovim, tmp_path: Path) -> None:
    program = tmp_path / "midfill"
    program.write_text('#!/bin/sh\necho "$*"; \n')
    program.chmod(0o755)
    set_up(bare, {"cmd": [str(program), "lsp"], "filetypes": {"*": False}})
    bare.run("Midfill model owner/name")
    told = "models use owner/name"
    bare.until(lambda: bare.run("messages"), lambda messages: told in messages)
