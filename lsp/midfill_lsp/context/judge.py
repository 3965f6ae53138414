"""Which files pass the privacy gate, by their names, their place and the ignore files.

Knows no text. Verdicts are kept for a second: typing asks at every key. Called by `gate`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.ignore import IgnoreRules, Patterns, mean, patterns_of
from midfill_lsp.context.secret_files import looks_secret
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.workspace import UNSAVED_SCHEMES, Place, Workspace, path_of

Role = Literal["document", "context"]
Kind = Literal["denied", "secret", "ignored", "outside", "remote", "error"]

_Question = tuple[str, Trust, Role, ContextConfig, tuple[Path, ...]]

_MEMORY_S: Final = 1.0
"""A file is judged by some 15 `stat`s and patterns, 0.3 ms; docs/log.md, 2026-11-26."""
_MAX_VERDICTS: Final = 1024
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # one letter is a drive of Windows


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text is not sent; `reason` is for the user, and holds names but no text."""

    kind: Kind
    reason: str


class Judge:
    """Judges files. May be called from several threads: they only lose each other's memory."""

    def __init__(
        self,
        config: Callable[[], ContextConfig],
        workspace: Workspace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire it; nothing is read.

        Args:
            config: the settings of the moment.
            workspace: the folders of the moment.
            clock: tells the seconds, from wherever.
        """
        self._config = config
        self._workspace = workspace
        self._clock = clock
        self._rules = IgnoreRules(self._clock)
        self._verdicts: dict[_Question, tuple[float, str | Refusal]] = {}

    def forget(self) -> None:
        """Judge every file anew: rules, or git's settings, may have changed."""
        self._verdicts.clear()
        self._rules = IgnoreRules(self._clock)

    def knows(self, uri: str, trust: Trust, role: Role) -> bool:
        """Whether a file was judged before, so that judging it again takes little."""
        return self._question(uri, trust, role) in self._verdicts

    def judged(self, uri: str, trust: Trust, role: Role) -> str | Refusal:
        """Return the file's name for the model, or why it is refused.

        Args:
            uri: the document, or its path.
            trust: how far the backend is trusted.
            role: the document that the user works in, or another.

        Raises:
            OSError, ValueError, GitFailed: a rule cannot be read.
        """
        question = self._question(uri, trust, role)
        now = self._clock()
        judged_at, answer = self._verdicts.get(question, (None, ""))
        if judged_at is not None and now - judged_at < _MEMORY_S:
            return answer
        answer = self._judge(uri, trust, role)
        if len(self._verdicts) >= _MAX_VERDICTS:
            self._verdicts.clear()
        self._verdicts[question] = (now, answer)
        return answer

    def _question(self, uri: str, trust: Trust, role: Role) -> _Question:
        return uri, trust, role, self._config(), self._workspace.folders

    def _judge(self, uri: str, trust: Trust, role: Role) -> str | Refusal:
        config = self._config()
        if trust == "remote" and config.remote == "none":
            return Refusal("remote", "context.remote is none: no file goes to a remote backend")
        path = path_of(uri) if _SCHEME.match(uri) else Path(uri)
        if path is None:
            return self._judge_other(uri, trust, role, config)
        place = self._workspace.place(path)
        target = self._workspace.place(place.real)
        refusal = (
            _judge_name(place, target, trust, config)
            or _judge_place(place, trust, role)
            or self._judge_ignored(place, target, config)
            or _judge_remote(place, trust, role, config)
        )
        return refusal or place.name

    def _judge_other(
        self, uri: str, trust: Trust, role: Role, config: ContextConfig
    ) -> str | Refusal:
        """Judge a document that is no file here: a new one passes, other kinds only here.

        Its path may be that of a file, such as of an older version, and is judged as one.
        """
        try:
            parts = urlsplit(uri)
        except ValueError:  # such as an unclosed bracket where a host would be
            return Refusal("outside", "a document whose address cannot be read")
        place = self._workspace.place(Path("/", unquote(parts.path)))
        target = self._workspace.place(place.real)
        refusal = _judge_name(place, target, trust, config)
        if refusal := refusal or self._judge_ignored(place, target, config):
            return refusal
        if role == "document" and (parts.scheme in UNSAVED_SCHEMES or trust == "local"):
            return place.path.name or "untitled"
        return Refusal(
            "outside", f"a document of the kind {parts.scheme[:20]!r} is no file of the workspace"
        )

    def _judge_ignored(self, place: Place, target: Place, config: ContextConfig) -> Refusal | None:
        """Judge a file by the rules where it is, and by those where its links lead."""
        if _matches(config.allow, place.name):
            return None
        for top, path in {(place.top, place.path), (target.top, target.path)}:
            if path.is_relative_to(top):
                found = self._rules.ignored_by(top, path)
                if found is not None:
                    return Refusal(
                        "ignored", f"{found} leaves {place.name} out; context.allow lets it pass"
                    )
        return None


def _judge_name(place: Place, target: Place, trust: Trust, config: ContextConfig) -> Refusal | None:
    """Judge a file by what it is called, and by what it is called where its links lead."""
    # Whatever the case of the letters: many file systems do not tell them apart.
    deny = tuple(map(str.lower, config.deny))
    if any(_matches(deny, name.lower()) for name in (place.name, target.name)):
        return Refusal("denied", f"{place.name} matches context.deny")
    names = {place.path.as_posix(), place.real.as_posix()}
    if any(map(looks_secret, names)) and not (trust == "local" and config.secret_files):
        remedy = "; context.secretFiles lets a local engine see it" if trust == "local" else ""
        return Refusal("secret", f"{place.name} looks like a file of secrets{remedy}")
    return None


def _judge_place(place: Place, trust: Trust, role: Role) -> Refusal | None:
    """Judge where a file is; what the user works in may be outside, for this machine."""
    if place.inside or (role == "document" and trust == "local"):
        return None
    return Refusal("outside", f"{place.name} is, or links to, a file outside of the workspace")


def _judge_remote(place: Place, trust: Trust, role: Role, config: ContextConfig) -> Refusal | None:
    if trust == "local" or role == "document" or config.remote == "workspace":
        return None
    if _matches(config.allow, place.name):
        return None
    return Refusal(
        "remote", f"context.remote is file: {place.name} does not go to a remote backend"
    )


def _matches(globs: tuple[str, ...], name: str) -> bool:
    return mean(_patterns(globs), name)


@lru_cache(maxsize=16)
def _patterns(globs: tuple[str, ...]) -> Patterns:
    return patterns_of(globs)
