"""The API key: from the environment, from a file, or made up for this engine. Called by `cli`.

A key never stands on a command line or in a log; only the place of its file is told.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_state_path

from midfill_engine.config import ServerConfig
from midfill_engine.errors import StartError
from midfill_engine.serve.access import is_loopback

KEY_VARIABLE = "MIDFILL_API_KEY"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and what to tell about it.

    Attributes:
        value: the key; None serves everybody.
        made: whether it was made for this engine, and its file is to be written and told.
        warning: a line for the user, or None.
    """

    value: str | None
    made: bool = False
    warning: str | None = None


def choose_key(config: ServerConfig, environ: Mapping[str, str]) -> ApiKey:
    """The key that the command line and the environment ask for.

    Raises:
        StartError: `--no-auth` off loopback or beside a key file; a key file that is missing,
            unreadable or empty; a key that cannot stand in a header.
    """
    if config.no_auth:
        if not is_loopback(config.host):
            raise StartError(
                f"--no-auth on {config.host} would let the whole network in: "
                "use it on 127.0.0.1 only, or set a key"
            )
        if config.api_key_file is not None:
            raise StartError("--no-auth and --api-key-file exclude each other: leave one out")
        return ApiKey(None)
    if config.api_key_file is not None:
        return _read_key(config.api_key_file)
    key = environ.get(KEY_VARIABLE, "").strip()
    if key:
        return ApiKey(_checked(key, KEY_VARIABLE))
    return ApiKey(secrets.token_urlsafe(32), made=True)


def write_key(key: str, port: int) -> Path:
    """Write a made key to a file of this user only; returns its place.

    Raises:
        StartError: the file cannot be written.
    """
    path = user_state_path("midfill") / f"engine-{port}.key"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, key + "\n")
    except OSError as error:
        raise StartError(
            f"cannot write the key to {path} ({error.strerror}): set {KEY_VARIABLE} instead"
        ) from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 so that a reader sees the old one, none, or all of it."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _read_key(path: Path) -> ApiKey:
    try:
        key = path.read_text(encoding="utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise StartError(
            f"cannot read the key file {path} ({reason}): put the key there, or leave "
            "--api-key-file out"
        ) from error
    if not key:
        raise StartError(f"the key file {path} is empty: put the key on its first line")
    key = _checked(key, f"the key file {path}")
    warning = None
    if os.name == "posix" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warning = f"{path} can be read by other users: chmod 600 it"
    return ApiKey(key, warning=warning)


def _checked(key: str, origin: str) -> str:
    """The key, if it can stand in a header as it is."""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise StartError(f"{origin} must hold one key of printable ASCII, without spaces")
    return key
