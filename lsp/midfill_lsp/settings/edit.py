"""One key of the user's file changed, with its comments and order kept. Called by `cli`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, get_args, get_origin

from midfill_lsp.errors import ConfigError
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.parse import whole_path
from midfill_lsp.settings.settle import Setting, known_settings, settle, snake

_MODE = 0o600  # it may name hosts and files; nobody else has to read it


def find_setting(key: str) -> Setting:
    """Return the setting that `completion.debounce_ms` or `completion.debounceMs` names.

    Raises:
        ConfigError: there is none; the text names the nearest.
    """
    parts = tuple(snake(part) for part in key.removeprefix("midfill.").split("."))
    known = known_settings()
    if len(parts) == 2 and parts in known:
        return known[parts[0], parts[1]]
    group = [".".join(names) for names in known if names[0] == parts[0]]
    if len(parts) == 1 and group:
        raise ConfigError(f"{key} is a group; name one of its settings, such as {group[0]}")
    # Laid as a layer, it gets the message that a file with it would get.
    tree: dict[str, object] = {parts[0]: {parts[1]: 0} if len(parts) > 1 else 0}
    problems = settle([Layer("", tree, Path())]).problems
    raise ConfigError(problems[0].partition(": ")[2] if problems else f"no setting {key}")


def set_value(path: Path, item: Setting, text: str) -> object:
    """Write a setting into a file, which is made if there is none, and return the value.

    Args:
        path: the file.
        item: which setting.
        text: the value in TOML or JSON, or as plain text where the setting is one.

    Raises:
        ConfigError: the value does not fit, or the file is wrong or cannot be written.
    """
    value = _read_value(item, text)
    group, key = item.names
    settled = settle([Layer("", {group: {key: value}}, path)])
    if settled.problems:
        raise ConfigError(settled.problems[0].partition(": ")[2].partition("; using ")[0])
    document = _load(path)
    table = _group(path, document, group)
    for other in [name for name in table if name != key and snake(name) == key]:
        del table[other]  # the same in camel case
    table[key] = value
    _write(path, document)
    return value


def unset(path: Path, item: Setting) -> bool:
    """Take a setting out of a file; False if it is not in there.

    Raises:
        ConfigError: the file is wrong or cannot be written.
    """
    document = _load(path)
    group, key = item.names
    table = _group(path, document, group)
    found = [name for name in table if snake(name) == key]
    for name in found:
        del table[name]
    if found:
        _write(path, document)
    return bool(found)


def _read_value(item: Setting, text: str) -> object:
    kinds = [item.hint, *get_args(item.hint)]
    if Path in kinds and text.strip():  # in the file it would begin there, not here
        return whole_path(text)
    if any(get_origin(kind) is tuple for kind in kinds) and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if any(kind in (bool, int, float) or get_origin(kind) is tuple for kind in kinds):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _load(path: Path) -> Any:  # noqa: ANN401  # tomlkit's documents have no useful type
    import tomlkit
    from tomlkit.exceptions import ParseError

    try:
        return tomlkit.parse(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ParseError as error:
        raise ConfigError(f"{path} is not TOML: {error}; mend it first") from error


def _group(path: Path, document: Any, group: str) -> Any:  # noqa: ANN401
    """Return a document's group of settings, which is put in if there is none."""
    import tomlkit

    table = document.setdefault(group, tomlkit.table())
    if not hasattr(table, "keys"):
        raise ConfigError(f"{path}: {group} is no group of settings; mend it first")
    return table


def _write(path: Path, document: Any) -> None:  # noqa: ANN401
    """Write in one step, so that no reader sees half of it; a link stays one."""
    import tomlkit

    place = path.resolve()
    draft = place.with_name(f"{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(tomlkit.dumps(document))
        os.replace(draft, place)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
