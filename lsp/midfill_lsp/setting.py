"""What a setting is: a field of `config` with its meaning, its bounds, and who may set it."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal, TypeVar

WorkspaceRight = Literal["sets", "narrows"]

_Value = TypeVar("_Value")


def setting(
    default: _Value,
    meaning: str,
    *,
    within: tuple[float, float] | None = None,
    workspace: WorkspaceRight | None = None,
    may_be_folder: bool = False,
) -> _Value:
    """Return the field of one setting.

    Args:
        default: what holds where nobody says otherwise.
        meaning: one sentence in Markdown, without bounds: they are added.
        within: bounds of a number, both included.
        workspace: what a workspace's `midfill.toml`, which may be anybody's, may do: `sets` it;
            only `narrows` what stands below (a switch off, a number or a choice towards its first,
            a list by more entries); None: nothing, as with all that chooses a program, a host, a
            file or where a token goes.
        may_be_folder: a text that begins with `./` or `../` is a folder, which begins at the file.
    """
    facts: dict[str, Any] = {
        "meaning": meaning,
        "workspace": workspace,
        "may_be_folder": may_be_folder,
    }
    if within is not None:
        facts |= {"low": within[0], "high": within[1]}
    made: Any = field(default=default, metadata=facts)
    return made  # type: ignore[no-any-return]  # `dataclass` reads the field, checkers the default
