"""What a corpus is made of, package by package: what the model card tells.

Counts only; decides nothing. Called by ``training.corpus``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from training.sources import SourceFile


@dataclass(slots=True)
class Entry:
    """What the manifest says of one package; sizes in bytes of UTF-8."""

    version: str
    licence: str
    files: int = 0
    bytes: int = 0
    languages: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class Manifest:
    """What was taken and what was dropped, for the model card."""

    packages: dict[str, Entry] = field(default_factory=dict[str, Entry])
    refused: dict[str, str] = field(default_factory=dict[str, str])
    dropped: Counter[str] = field(default_factory=Counter[str])
    held_out: dict[str, dict[str, Entry]] = field(default_factory=dict[str, dict[str, Entry]])

    @property
    def languages(self) -> Counter[str]:
        """Bytes of each language in the training text."""
        sizes: Counter[str] = Counter()
        for entry in self.packages.values():
            sizes.update(entry.languages)
        return sizes

    def as_json(self) -> dict[str, object]:
        """Returns the manifest as plain dictionaries."""
        return {
            "packages": {name: asdict(entry) for name, entry in self.packages.items()},
            "refused": self.refused,
            "dropped": dict(self.dropped),
            "held_out": {
                split: {name: asdict(entry) for name, entry in entries.items()}
                for split, entries in self.held_out.items()
            },
            "languages": dict(self.languages),
        }


def tally(files: Iterable[SourceFile], versions: Mapping[str, str]) -> dict[str, Entry]:
    """Returns what each package gives: files, bytes, bytes of each language."""
    entries: dict[str, Entry] = {}
    for file in files:
        entry = entries.setdefault(file.package, Entry(versions[file.package], file.licence))
        size = len(file.text.encode())
        entry.files += 1
        entry.bytes += size
        entry.languages[file.language] = entry.languages.get(file.language, 0) + size
    return entries
