"""What files of the workspace define, by name: from disk or as open; a bounded number is kept.

Runs in a thread. A file is opened without following a link, and read once until it changes.
Called by `signatures`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from midfill_lsp.document import Snapshot
from midfill_lsp.plain_files import open_plain
from midfill_lsp.syntax import MAX_CHARS, Definition, Grammars, definitions, parse

_MAX_FILES = 512
_MAX_BYTES = 256_000
LANGUAGES: Final = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".jsx": "javascript",
    ".mjs": "javascript", ".cjs": "javascript", ".ts": "typescript", ".mts": "typescript",
    ".cts": "typescript", ".tsx": "tsx", ".go": "go", ".rs": "rust", ".c": "c", ".h": "cpp",
    ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hpp": "cpp", ".hh": "cpp", ".hxx": "cpp",
    ".java": "java",
}  # fmt: skip
"""Language ids by extension; a C header parses as C++ too."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A file's definitions, and what tells the version of it that they are from."""

    stamp: object
    definitions: tuple[Definition, ...]


class Outlines:
    """The outlines of the files that were asked for last. Used by one thread."""

    def __init__(self, grammars: Grammars) -> None:
        """Read nothing yet."""
        self._grammars = grammars
        self._known: dict[str, Outline] = {}

    def of(self, path: str) -> Sequence[Definition]:
        """Return what a file defines; nothing where it cannot be read or parsed."""
        language_id = LANGUAGES.get(PurePath(path).suffix.lower())
        if language_id is None:
            return ()
        try:
            # A link in the index's place is no file of the workspace any more.
            stream = open_plain(path)
        except OSError:
            self._known.pop(path, None)
            return ()
        with stream:
            about = os.fstat(stream.fileno())
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            known = self._known.pop(path, None)
            if known is None or known.stamp != stamp:
                if about.st_size > _MAX_BYTES:
                    return ()
                text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
                known = Outline(stamp, self._in_text(text, language_id))
        return self._kept(path, known)

    def of_open(self, document: Snapshot) -> Sequence[Definition]:
        """Return what an open document defines, its first part where it is long."""
        text = document.text[:MAX_CHARS]
        stamp = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._known.pop(document.uri, None)
        if known is None or known.stamp != stamp:
            known = Outline(stamp, self._in_text(text, document.language_id))
        return self._kept(document.uri, known)

    def _kept(self, name: str, outline: Outline) -> Sequence[Definition]:
        self._known[name] = outline  # the latest is the last
        if len(self._known) > _MAX_FILES:
            del self._known[next(iter(self._known))]
        return outline.definitions

    def _in_text(self, text: str, language_id: str) -> tuple[Definition, ...]:
        grammar = self._grammars.load(language_id)
        source = grammar and parse(grammar, text[:MAX_CHARS].replace("\r\n", "\n"))
        return definitions(source) if source else ()
