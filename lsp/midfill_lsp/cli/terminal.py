"""Prints what others wrote: to a terminal without orders to it, to a file or a pipe as it is.

Called by the subcommands that print texts of a model, a server or a repository.
"""

from __future__ import annotations

import sys

from midfill_lsp.printable import printable


def say(text: str, *, end: str = "\n", is_error: bool = False) -> None:
    """Print to stdout, or to stderr, and flush."""
    stream = sys.stderr if is_error else sys.stdout
    if stream is not None:  # closed
        print(printable(text) if stream.isatty() else text, end=end, file=stream, flush=True)
