"""Opens files that a repository brings along, and nothing else that may lie in their place.

A pipe would never open and a device never end: `/dev/stdin` is the pipe that the editor's messages
come through. Called by `context` and `settings`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

# Neither is there on Windows, where no file blocks.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


class NotPlain(OSError):
    """A folder, a pipe, a device or such lies there."""


def open_plain(path: Path | str, *, follows: bool = False) -> BinaryIO:
    """Return a file, open to be read as bytes; the caller closes it.

    Args:
        path: it may be anything.
        follows: whether it may be a link.

    Raises:
        NotPlain: it is no file.
        OSError: it is not there or cannot be opened, or is a link that is not followed.
    """
    descriptor = os.open(path, _FLAGS | (0 if follows else _NO_FOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotPlain(f"{path} is no plain file")
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
