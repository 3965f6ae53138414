"""Texts of others, shown."""

from __future__ import annotations

import io

import pytest

from midfill_lsp.backend.rejection import message_of
from midfill_lsp.cli.terminal import say
from midfill_lsp.printable import one_line, printable

ESCAPES = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x7f\x08"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_control_characters_are_marked_and_the_rest_stands() -> None:
    every = "".join(map(chr, range(0x250)))
    shown = printable(every)
    kept = "".join(char for char in every if char.isprintable() or char in "\n\t\xa0\xad")
    assert shown.replace("\ufffd", "") == kept
    assert printable("a\r\nb") == "a\nb"
    assert "".join(map(printable, ESCAPES)) == printable(ESCAPES)


def test_an_error_of_a_server_is_one_line_without_orders() -> None:
    told = message_of({"error": {"message": f"bad\r\n{ESCAPES}"}})
    assert told is not None
    assert told.startswith("bad ")
    assert told.isprintable()
    assert one_line("a" * 1000).endswith("a…")


@pytest.mark.parametrize("is_error", [False, True])
def test_a_terminal_gets_no_orders_and_a_pipe_every_byte(
    monkeypatch: pytest.MonkeyPatch, is_error: bool
) -> None:
    name = "stderr" if is_error else "stdout"
    for stream, expected in ((Terminal(), printable(ESCAPES)), (io.StringIO(), ESCAPES)):
        monkeypatch.setattr(f"sys.{name}", stream)
        say(ESCAPES, end="!", is_error=is_error)
        assert stream.getvalue() == f"{expected}!"
    monkeypatch.setattr(f"sys.{name}", None)
    say(ESCAPES, is_error=is_error)
