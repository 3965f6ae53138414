"""The `midfill` command: picks the subcommand, and says what went wrong in one line.

Subcommands are imported when they are asked for, so that `midfill lsp` starts fast. Each is a
module with `add_arguments(parser)` and `run(options) -> int`.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from midfill_lsp.cli.terminal import say
from midfill_lsp.errors import MidfillError

_COMMANDS = {
    "lsp": "the language server on stdin and stdout, for editors",
    "serve": "the engine over HTTP; hands over to midfill-engine serve",
    "demo": "complete code in sample files, as an editor would",
    "complete": "print one completion for a file and a position",
    "chat": "talk to the model in the terminal",
    "config": "show the settings, or change one",
    "models": "list models, recommend one, download it, change to it",
    "explain": "why there was, or was no, suggestion",
    "stats": "what became of suggestions, counted on this machine",
    "doctor": "say what was found on this machine, and what to do about what was not",
}

_INTERRUPTED = 130
_UNWRITABLE = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF}


class UsageError(MidfillError):
    """The command line asks for something that does not exist."""


class _Parser(argparse.ArgumentParser):
    """Says errors as everything here does: one line."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status.

    Returns:
        0 if all went well, 1 if not, 2 for a wrong command line, 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    reconfigure: Any = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # the terminal may lack a character that code or a chart has
        reconfigure(errors="replace")
    try:
        status = _run(arguments)
        print(end="", flush=True)  # what cannot be written any more is found out here
        return status
    except MidfillError as error:
        return _fail(str(error), 2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone: `midfill complete ... | head`
        _drop_output()
        return 1
    except FileNotFoundError:
        if _is_somewhere():
            raise
        return _fail("the current folder no longer exists: change to another")
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _drop_output()
        return _fail(f"the output cannot be written: {error.strerror}")


def _fail(told: str, status: int = 1) -> int:
    say(f"midfill: error: {told}", is_error=True)
    return status


def _drop_output() -> None:
    """Write the rest of stdout nowhere: Python would complain of it again at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_somewhere() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _run(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == "serve":
        from midfill_lsp.cli import serve

        return serve.hand_over("serve", arguments[1:])
    parser = _Parser(prog="midfill", description="Code completion at the cursor.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    chosen = next((name for name in arguments if name in _COMMANDS), None)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, what in _COMMANDS.items():
        subparser = subparsers.add_parser(name, help=what, description=what)
        if name == chosen:
            importlib.import_module(f"midfill_lsp.cli.{name}").add_arguments(subparser)
    try:
        options = parser.parse_args(arguments)
    except SystemExit:  # after --help
        return 0
    if options.version:
        from midfill_lsp.engine_process.command import version

        print(f"midfill {version()}")
        return 0
    if options.command is None:
        parser.print_help()
        return 2
    return int(importlib.import_module(f"midfill_lsp.cli.{options.command}").run(options))
