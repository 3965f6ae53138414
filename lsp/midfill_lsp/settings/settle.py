"""Layers of settings laid over each other, the later over the earlier, key by key. Pure.

What is unknown or wrong is told by its name and place, and what stands below is used. A null leaves
a setting as it is. A workspace's file sets only what its field allows (`setting`): it comes with
the code, so that it may be anybody's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from midfill_lsp.config import Config, wire_name
from midfill_lsp.printable import printable
from midfill_lsp.settings.layer import Layer
from midfill_lsp.settings.parse import parse_value, shown

EDITOR_KEYS = frozenset({"trace", "client", "statusNotifications", "tokenRequests"})
"""Keys of the `midfill` section that belong to the editors' plugins or the handshake."""
MAX_UNKNOWN_TOLD = 20
"""Of a layer; the others are counted. Looking for a near name takes 0.3 ms."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the tree.

    Attributes:
        names: group and field, in snake case.
        hint: its type.
        facts: its metadata, as `setting` gives it.
        default: what holds where nobody says otherwise.
    """

    names: tuple[str, str]
    hint: object
    facts: Mapping[str, Any]
    default: object

    @property
    def wire(self) -> str:
        """The name in JSON and in docs/configuration.md."""
        return ".".join(wire_name(name) for name in self.names)


@dataclass(frozen=True, slots=True)
class Settled:
    """What the layers come to.

    Attributes:
        config: the whole tree.
        problems: one line for every bad value and for the first 20 unknown keys of a layer.
        origins: where each setting's value comes from, by its snake-case name with a dot; those
            that nobody set have none.
    """

    config: Config
    problems: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict[str, str])

    def value(self, item: Setting) -> object:
        """Return a setting's value as JSON takes it."""
        value: object = getattr(getattr(self.config, item.names[0]), item.names[1])
        return str(value) if isinstance(value, Path) else value

    def origin(self, item: Setting) -> str:
        """Return where a setting's value comes from."""
        return self.origins.get(".".join(item.names), "default")


def known_settings() -> dict[tuple[str, str], Setting]:
    """Return every setting by its names, in the order of the tree."""
    config, found = Config(), dict[tuple[str, str], Setting]()
    for group in fields(config):
        node = getattr(config, group.name)
        hints = get_type_hints(cast("type[object]", type(node)))
        for item in cast("tuple[Field[object], ...]", fields(node)):
            names = (group.name, item.name)
            default = getattr(node, item.name)
            found[names] = Setting(names, hints[item.name], item.metadata, default)
    return found


def settle(layers: Iterable[Layer], base: Config | None = None) -> Settled:
    """Lay settings over `base`, the defaults if None."""
    state = _State(base or Config(), known_settings())
    for layer in layers:
        state.lay(layer)
    return Settled(state.config, tuple(state.problems), state.origins)


class _State:
    """The tree so far, and what was noted on the way."""

    def __init__(self, config: Config, known: Mapping[tuple[str, str], Setting]) -> None:
        self.config = config
        self.problems: list[str] = []
        self.origins: dict[str, str] = {}
        self._num_unknown = 0
        self._known = known
        self._groups = {item.name for item in fields(config)}

    def lay(self, layer: Layer) -> None:
        self._num_unknown = 0
        for key, value in layer.values.items():
            group = snake(key)
            if layer.path is None and key in EDITOR_KEYS:
                continue
            if group not in self._groups:
                self._tell_unknown(layer, (key,))
            elif isinstance(value, Mapping):
                self._lay_group(layer, key, cast("Mapping[str, object]", value))
            elif value is not None:
                told = f"expected a group of settings, got {shown(value)}"
                self._tell(layer, (key,), f"{layer.spell((group,))}: {told}")
        untold = self._num_unknown - MAX_UNKNOWN_TOLD
        if untold > 0:
            place = f"{layer.path}: " if layer.path is not None else ""
            self.problems.append(f"{place}{untold} more unknown settings")

    def _lay_group(self, layer: Layer, group_key: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            item = self._known.get((snake(group_key), snake(key)))
            if item is None:
                self._tell_unknown(layer, (group_key, key))
            elif value is not None:
                self._lay_value(layer, (group_key, key), item, value)

    def _lay_value(self, layer: Layer, keys: tuple[str, str], item: Setting, value: object) -> None:
        below = getattr(getattr(self.config, item.names[0]), item.names[1])
        name = layer.spell(item.names)
        if layer.is_workspace and item.facts["workspace"] is None:
            self._tell(layer, keys, f"{name} {_refusal(item)}")
            return
        folder = layer.path.parent if layer.path is not None else None
        try:
            parsed = parse_value(value, item.hint, item.facts, folder)
        except ValueError as error:
            told = f"{name}: expected {error}, got {shown(value)}; using {shown(below)}"
            self._tell(layer, keys, told)
            return
        if layer.is_workspace:
            refusal, parsed = _narrowed(item, parsed, below)
            if refusal is not None:
                self._tell(layer, keys, f"{name} {refusal}")
                return
        node = replace(getattr(self.config, item.names[0]), **{item.names[1]: parsed})
        self.config = replace(self.config, **{item.names[0]: node})
        self.origins[".".join(item.names)] = layer.place(keys)

    def _tell(self, layer: Layer, keys: tuple[str, ...], text: str) -> None:
        self.problems.append(text if layer.path is None else f"{layer.place(keys)}: {text}")

    def _tell_unknown(self, layer: Layer, keys: tuple[str, ...]) -> None:
        self._num_unknown += 1
        if self._num_unknown > MAX_UNKNOWN_TOLD:
            return
        short = tuple(printable(key[:60]) for key in keys)
        written = ".".join(short) if layer.path is not None else "midfill." + ".".join(short)
        near = self._nearest(keys)
        if near is not None:
            remedy = f"did you mean {layer.spell(near)}?"
        else:
            listed = [
                names[-1] for names in self._known if len(keys) > 1 and names[0] == snake(keys[0])
            ] or [item.name for item in fields(self.config)]
            spelled = listed if layer.path is not None else map(wire_name, listed)
            remedy = "there are: " + ", ".join(spelled)
        self._tell(layer, keys, f"unknown setting {written}; {remedy}")

    def _nearest(self, keys: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the known names closest to what was written, None if none is close."""
        written = ".".join(snake(key) for key in keys)
        names: dict[str, tuple[str, ...]] = {".".join(known): known for known in self._known}
        if len(keys) == 1:
            names |= {known[1]: known for known in self._known}
            names |= {group: (group,) for group in self._groups}
        close = difflib.get_close_matches(written, names, n=1, cutoff=0.75)
        return names[close[0]] if close else None


def _refusal(item: Setting) -> str:
    return (
        "may not be set by a workspace's file, which comes with the code: "
        f"set it in your own by `midfill config set {'.'.join(item.names)} VALUE`"
    )


def _narrowed(item: Setting, value: object, below: object) -> tuple[str | None, object]:
    """Return why a workspace may not widen this, or None and the value that holds then."""
    if item.facts["workspace"] == "sets":
        return None, value
    if isinstance(value, tuple):
        lower = cast("tuple[str, ...]", below)
        more = [entry for entry in cast("tuple[str, ...]", value) if entry not in lower]
        return None, (*more, *lower)  # of patterns the last decides: no `!` undoes the user's
    if _rank(item.hint, value) <= _rank(item.hint, below):
        return None, value
    return f"may only be narrowed by a workspace's file: {shown(below)} stays", below


def _rank(hint: object, value: object) -> float:
    if get_origin(hint) is Literal:
        return get_args(hint).index(value)
    return float(cast("float", value))


def snake(key: str) -> str:
    """Return a key as a field's name: `debounceMs` is `debounce_ms`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()
