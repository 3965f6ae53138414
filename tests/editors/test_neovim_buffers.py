"""Which buffers of real Neovim the language server is told, and by what names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.editors.neovim import WIPE_WITHOUT_NAME, Neovim
from tests.editors.script import Script

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_RECORD = """
local client = require('midfill.wire').client()
midfill_told, midfill_notify = {}, client.notify
client.notify = function(...)
  local method, params = select(type(...) == 'table' and 2 or 1, ...)  -- a method since 0.11
  local event = method:match('didOpen') or method:match('didClose')
  if event then
    table.insert(midfill_told, event .. ' ' .. params.textDocument.uri:match('[^/]*$'))
  end
  return midfill_notify(...)
end
"""
_NAME = "return vim.fs.basename(vim.api.nvim_buf_get_name(0))"
_BACKGROUND = """
local buf = vim.api.nvim_create_buf(true, false)
vim.api.nvim_buf_set_name(buf, 'result')
vim.bo[buf].buftype = 'nofile'
vim.schedule(function() vim.api.nvim_buf_set_lines(buf, 0, -1, true, { 'private' }) end)
"""


@pytest.fixture
def told(neovim: Neovim) -> Iterator[Callable[[], list[str]]]:
    """Return what the server was told since the last look, at which another file is opened."""

    def take() -> list[str]:
        neovim.edit([])
        last = f"didOpen {neovim.lua(_NAME)}"  # so what came before it was told by then
        neovim.until(lambda: neovim.lua("return midfill_told"), lambda events: last in events)
        events: list[str] = neovim.lua("return midfill_told")
        neovim.lua("midfill_told = {}")
        return events[: events.index(last)]

    neovim.lua(_RECORD)
    take()
    yield take
    neovim.lua("require('midfill.wire').client().notify = midfill_notify")


@pytest.mark.parametrize(
    "open_scratch",
    [
        _BACKGROUND,
        "vim.cmd('new | file Scratch | setlocal buftype=nofile | call setline(1, 1)')",
        "vim.cmd('new | setlocal filetype=json buftype=nofile | call setline(1, 1)')",
        "vim.cmd.terminal('echo private')",
    ],
    ids=["background", "name first", "file type first", "terminal"],
)
def test_a_scratch_buffer_is_never_told(
    neovim: Neovim, told: Callable[[], list[str]], open_scratch: str
) -> None:
    """It was as soon as it had a name or a file type; its text went into prompts."""
    neovim.lua(open_scratch)
    assert told() == []
    neovim.lua("vim.cmd('only!')")


@pytest.mark.parametrize("option", ["buftype = 'nofile'", "buflisted = false"])
def test_a_buffer_that_becomes_a_scratch_buffer_is_taken_back(
    neovim: Neovim, told: Callable[[], list[str]], option: str
) -> None:
    neovim.edit(["x = 1"])
    name, buf = neovim.lua(_NAME), neovim.lua("return vim.api.nvim_get_current_buf()")
    assert told() == [f"didOpen {name}"]
    neovim.lua(f"vim.bo[{buf}].{option}")
    assert told() == [f"didClose {name}"]


@pytest.mark.parametrize("rename", ["file", "saveas"])
def test_a_buffer_is_closed_by_its_old_name(
    neovim: Neovim, told: Callable[[], list[str]], rename: str
) -> None:
    """The old name stayed open, and its text in prompts."""
    neovim.edit(["x = 1"])
    old, new = neovim.lua(_NAME), f"{rename}-renamed.py"
    neovim.run(f"{rename} {new}")
    assert told() == [f"didOpen {old}", f"didClose {old}", f"didOpen {new}"]


def test_a_buffer_without_a_name_is_closed_as_such(
    neovim: Neovim, told: Callable[[], list[str]]
) -> None:
    neovim.run("enew")
    neovim.run("call setline(1, 'x = 1') | write written.py")
    assert told() == ["didOpen ", "didClose ", "didOpen written.py"]


def test_of_buffers_without_a_name_the_current_one_is_known(
    neovim: Neovim, script: Script, told: Callable[[], list[str]]
) -> None:
    """They have one URI; every one but the first stayed silent."""
    neovim.run("enew")
    for go, key, line in [("", "i", "x = "), ("new", "i", "y = "), ("wincmd p", "o", "z = ")]:
        neovim.run(go)
        neovim.until_lua("require('midfill.server').is_attached(0)", True)
        script.set("3")
        neovim.type(f"{key}{line}")
        neovim.until_screen(f"{line}«3»")
        neovim.type("<Esc>")
    opened = [event for event in told() if event.strip() in ("didOpen", "didClose")]
    assert opened == ["didOpen ", *2 * ["didClose ", "didOpen "]]
    neovim.run("only!")
    neovim.lua(WIPE_WITHOUT_NAME)


def test_a_name_that_is_taken_changes_nothing(
    neovim: Neovim, told: Callable[[], list[str]]
) -> None:
    neovim.edit(["x = 1"])
    taken = neovim.lua(_NAME)
    neovim.edit(["y = 1"])
    name = neovim.lua(_NAME)
    neovim.try_to(f"file {taken}")
    neovim.until_lua("require('midfill.server').is_attached(0)", True)
    events = told()
    assert events[0] == f"didOpen {taken}"
    assert set(events[1:]) == {f"didOpen {name}", f"didClose {name}"}
    assert events[-1] == f"didOpen {name}"


@pytest.fixture
def late_detection(neovim: Neovim) -> None:
    """As where `setup()` stands in init.lua: file types are found after the plugin is told."""
    neovim.run("filetype off")
    neovim.run("filetype plugin indent on")


@pytest.mark.usefixtures("late_detection")
def test_a_file_is_opened_once_and_suggested_in_at_once(
    neovim: Neovim, script: Script, told: Callable[[], list[str]]
) -> None:
    """It was opened as plain text first, and what was asked of that was never answered."""
    neovim.run("call writefile(['x ='], 'opened.py')")
    script.set("1")
    neovim.type(":edit opened.py<CR>A ")
    neovim.until_screen("x = «1»")
    neovim.type("<Esc>")
    assert told() == ["didOpen opened.py"]


def test_a_file_type_that_is_left_out_is_never_told(
    neovim: Neovim, told: Callable[[], list[str]], late_detection: None
) -> None:
    neovim.lua("require('midfill').options.filetypes.markdown = false")
    neovim.run("call writefile(['private'], 'private.md')")
    neovim.run("edit private.md")
    assert told() == []
    neovim.lua("require('midfill').options.filetypes.markdown = nil")


def test_a_file_that_is_loaded_behind_leaves_the_suggestion(
    neovim: Neovim, script: Script, told: Callable[[], list[str]]
) -> None:
    """It was asked for anew, and another at the beginning of that file."""
    neovim.run("call writefile(['y = 1'], 'behind.py')")
    script.set("1")
    neovim.edit(["x = "])
    name = neovim.lua(_NAME)
    neovim.type("A")
    neovim.until_screen("x = «1»")
    neovim.lua(
        "midfill_cleared = 0\n"
        "local suggest = require('midfill.suggest')\n"
        "midfill_clear, suggest.clear = suggest.clear, function()\n"
        "  midfill_cleared = midfill_cleared + 1\n  midfill_clear()\nend\n"
        "local buf = vim.fn.bufadd('behind.py')\n"
        "vim.bo[buf].buflisted = true\nvim.fn.bufload(buf)"
    )
    neovim.until_lua("require('midfill.server').is_attached(vim.fn.bufnr('behind.py'))", True)
    assert (neovim.screen(), neovim.lua("return midfill_cleared")) == ("x = «1»", 0)
    neovim.lua("require('midfill.suggest').clear = midfill_clear")
    neovim.type("<Esc>")
    assert told() == [f"didOpen {name}", "didOpen behind.py"]


@pytest.mark.parametrize(("away", "back"), [("buftype=nofile", "buftype="), ("nobl", "bl")])
def test_a_buffer_that_is_a_file_again_is_known_again(
    neovim: Neovim, told: Callable[[], list[str]], away: str, back: str
) -> None:
    neovim.edit(["x = 1"])
    name = neovim.lua(_NAME)
    told()
    neovim.run(f"buffer {name} | setlocal {away}")
    neovim.run(f"setlocal {back}")
    neovim.until_lua("require('midfill.server').is_attached(0)", True)
    assert told() == [f"didClose {name}", f"didOpen {name}"]


@pytest.mark.parametrize(
    "steps",
    [
        ["setlocal nobuflisted", "call setline(1, 'y = 2')", "setlocal buflisted"],
        ["file followed.py | call setline(1, 'y = 2')"],
        [
            "autocmd BufWritePre <buffer> silent! %s/ *$//e",
            "call setline(1, 'y = 2   ') | saveas! trimmed.py",
        ],
        ["lua require('midfill').options.filetypes.markdown = false", "set filetype=markdown",
         "call setline(1, 'y = 2')", "set filetype=python"],
    ],
)  # fmt: skip
def test_a_buffer_that_was_edited_while_nobody_knew_it_is_followed(
    neovim: Neovim, script: Script, told: Callable[[], list[str]], steps: list[str]
) -> None:
    """Neovim stops telling of such a buffer; it stayed silent until it was wiped out."""
    neovim.edit(["x = 1"])
    for step in steps:
        neovim.run(step)
    neovim.until_lua("require('midfill.server').is_attached(0)", True)
    name = neovim.lua(_NAME)
    script.set("3")
    neovim.type("oz = ")
    neovim.until_screen("z = «3»")
    neovim.type("<Esc>")
    told()
    neovim.run(f"bdelete! {name}")
    assert told() == [f"didClose {name}"]
    neovim.lua("require('midfill').options.filetypes.markdown = nil")
