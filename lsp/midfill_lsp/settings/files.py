"""Where `midfill.toml` lies, and how it is read. Called by `sources` and `cli`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import platformdirs

from midfill_lsp.errors import ConfigError
from midfill_lsp.plain_files import NotPlain, open_plain
from midfill_lsp.printable import one_line
from midfill_lsp.settings.layer import Layer

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "midfill.toml"
DIR_VARIABLE = "MIDFILL_CONFIG_DIR"

_MAX_BYTES = 256 * 1024
"""A repository could hold a file of any size; one of all settings has 4 KB."""
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]")
_KEY = re.compile(r"[A-Za-z0-9_\-.\"' ]+")


def user_file() -> Path:
    r"""Return the place of the user's own file: in `MIDFILL_CONFIG_DIR`, or the usual folder.

    That is `~/.config/midfill` on Linux (or `XDG_CONFIG_HOME`), `~/Library/Application
    Support/midfill` on macOS, `%LOCALAPPDATA%\midfill` on Windows.

    Raises:
        ConfigError: it would be in a home folder, and there is none.
    """
    chosen = os.environ.get(DIR_VARIABLE)
    try:
        folder = Path(chosen) if chosen else platformdirs.user_config_path("midfill", False)
        return folder.expanduser().absolute() / NAME
    except RuntimeError:
        told = f"set HOME, or {DIR_VARIABLE} to a folder"
        raise ConfigError(f"no home folder is known for the settings: {told}") from None


def read_layer(path: Path, *, is_workspace: bool = False) -> Layer | None:
    """Return the settings in a file, None if there is none.

    Raises:
        ConfigError: it cannot be read, or is no TOML; the text names the file and the line.
    """
    text = _read_text(path)
    if text is None:
        return None
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except ValueError as error:  # the parser's own, or Python's of a number with 5,000 digits
        told, line = _told(str(error))
        raise ConfigError(f"{path}{line}: this is not TOML: {told}") from None
    except RecursionError:
        raise ConfigError(f"{path}: this is not TOML: nested too deeply") from None
    name = "the workspace's file" if is_workspace else "the user's file"
    return Layer(name, values, path, find_lines(text), is_workspace)


def find_lines(text: str) -> dict[str, int]:
    """Return the line, from 1, of every table and key that is written plainly in TOML."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header[1])
            found.setdefault(table, number)
            continue
        # In two steps, each over the line once: as one expression this took the cube of its length.
        key, equals, _ = line.partition("=")
        if equals and _KEY.fullmatch(key := key.strip()):
            found.setdefault(".".join(filter(None, (table, _plain(key)))), number)
    return found


def _read_text(path: Path) -> str | None:
    try:
        with open_plain(path, follows=True) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > _MAX_BYTES:
                raise ConfigError(f"{path}: {size:,} bytes, over {_MAX_BYTES:,}")
            return stream.read(_MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except NotPlain:
        raise ConfigError(f"{path}: not a file") from None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8") from error


def _told(error: str) -> tuple[str, str]:
    """Split what the parser says into the text and `:LINE`."""
    match = re.search(r"\(at line (\d+), column \d+\)\Z", error)
    if match is None:
        return one_line(error.replace(" (at end of document)", " at the end")), ""
    return one_line(error[: match.start()]), f":{match[1]}"


def _plain(key: str) -> str:
    return ".".join(part.strip(" \"'") for part in key.split("."))
