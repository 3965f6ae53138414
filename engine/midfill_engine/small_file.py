"""The small files of a model's folder, JSON and chat templates, read within bounds.

A folder may come from anywhere: under a file's name may stand a pipe or a device, whose reading
never ends. Called by `model` and `text`, which name the file and the remedy.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

MAX_BYTES = 64_000_000
"""The largest tokenizer.json known to us (Gemma 3's) has 33 MB."""


def read_text(path: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        OSError: it cannot be opened; FileNotFoundError: there is none.
        ValueError: it is no regular file, over `MAX_BYTES`, or not UTF-8.
    """
    with open(path, encoding="utf-8", opener=_open_at_once) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a regular file")
        text = "" if status.st_size > MAX_BYTES else file.read(MAX_BYTES + 1)
        if max(status.st_size, len(text)) > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES // 10**6} MB")
    return text


def read_json(path: Path) -> object:
    """The value in a JSON file.

    Raises:
        OSError, ValueError: as `read_text`; ValueError also where it is no JSON.
        RecursionError: it is nested too deep.
    """
    value: object = json.loads(read_text(path))
    return value


def _open_at_once(path: str, flags: int) -> int:
    """A pipe would be waited for until somebody writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
