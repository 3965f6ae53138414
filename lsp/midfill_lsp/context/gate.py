"""The one gate that text passes on its way to a backend: which files, and without which secrets.

    answer = gate.admit(uri, text, trust)                    # another file, or a part of it
    answer = gate.admit(uri, text, trust, role="document")   # the one that is edited or selected
    if isinstance(answer, Refusal): ...  # answer.reason says why and what would change it
    else: ...                            # answer.text may be sent under answer.name

Every source asks here, with the text as it will be sent, right before it is sent. Secrets in the
lines are masked for every backend. It fails closed: an error inside is a refusal, and counted.
Called by the completion and chat use cases; `SecretLines.load` takes half a second the first time,
so call `prepare` in a thread before.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.ignore import IgnoreRules, spec_of
from midfill_lsp.context.secret_files import looks_secret
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.workspace import UNSAVED_SCHEMES, Place, Workspace, path_of

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

logger = logging.getLogger(__name__)

Role = Literal["document", "context"]
Kind = Literal["denied", "secret", "ignored", "outside", "remote", "error"]

_Question = tuple[str, Trust, Role, ContextConfig, tuple[Path, ...]]

_MEMORY_S: Final = 1.0
"""A file is judged by some 15 `stat`s and patterns, 0.3 ms; docs/log.md, 2026-11-26."""
_MAX_VERDICTS: Final = 1024
_CONFIG_SUFFIXES: Final = frozenset(
    {".yml", ".yaml", ".ini", ".cfg", ".conf", ".toml", ".properties", ".env", ".example",
     ".sample", ".template", ".dist"}
)  # fmt: skip
"""Files whose values stand without quotes, as in those without an extension, such as `.npmrc`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a text is not sent; `reason` is for the user, and holds names but no text."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Text that may be sent.

    Attributes:
        text: as long as what was given, its secrets masked.
        name: the file's path from the top of its repository, for the model.
        num_secrets: lines that held one.
    """

    text: str
    name: str
    num_secrets: int


@dataclass(frozen=True, slots=True)
class AdmittedAround:
    """The same for the text on both sides of a cursor."""

    prefix: str
    suffix: str
    name: str
    num_secrets: int


class Gate:
    """Judges files and masks lines."""

    def __init__(
        self,
        config: Callable[[], ContextConfig],
        workspace: Workspace,
        lines: SecretLines | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire the gate; nothing is read.

        Args:
            config: the settings of the moment.
            workspace: the folders of the moment.
            lines: the rules for secrets in lines.
            clock: tells the seconds, from wherever.
        """
        self._clock = clock
        self._verdicts: dict[_Question, tuple[float, str | Refusal]] = {}
        self._config = config
        self._workspace = workspace
        self._lines = lines or SecretLines()
        self._rules = IgnoreRules()
        self.refusals: Counter[Kind] = Counter()
        """How often each kind was refused, since the start."""

    def forget(self) -> None:
        """Judge every file anew: rules may have changed."""
        self._verdicts.clear()

    @property
    def failures(self) -> Counter[str]:
        """How often the gate itself failed, which refuses, since the start."""
        return Counter({"gate": self.refusals["error"]}) if self.refusals["error"] else Counter()

    def prepare(self) -> None:
        """Load the rules, so that no later call waits for them; for a thread."""
        try:
            self._lines.load()
        except Exception as error:  # told by each request that fails for it
            logger.error("the rules for secrets cannot be loaded: %s", error)

    def admit(
        self, uri: str, text: str, trust: Trust, role: Role = "context"
    ) -> Admitted | Refusal:
        """Return what of a text may be sent, or why nothing may.

        Args:
            uri: the document that the text is from, or its path.
            text: lines ended by LF.
            trust: how far the backend is trusted.
            role: the document that the user works in, or another.
        """
        try:
            answer = self._judged(uri, trust, role)
            if not isinstance(answer, Refusal):
                masked = self._lines.mask(text, _is_config(answer))
                return Admitted(masked.text, answer, masked.num_secrets)
        except Exception as error:
            answer = _failed(error)
        return self._counted(answer)

    def admit_around(
        self, uri: str, prefix: str, suffix: str, trust: Trust
    ) -> AdmittedAround | Refusal:
        """Return what of the text around the cursor may be sent, or why nothing may."""
        try:
            answer = self._judged(uri, trust, "document")
            if not isinstance(answer, Refusal):
                before, behind, num = self._lines.mask_around(prefix, suffix, _is_config(answer))
                return AdmittedAround(before, behind, answer, num)
        except Exception as error:
            answer = _failed(error)
        return self._counted(answer)

    def lets_others_pass(self, trust: Trust) -> bool:
        """Whether any file but the edited one may go to such a backend."""
        config = self._config()
        return (
            trust == "local"
            or config.remote == "workspace"
            or (config.remote == "file" and bool(config.allow))
        )

    def is_quick(self, uri: str, prefix: str, suffix: str) -> bool:
        """Whether `admit_around` has little to do; else a thread had better call it."""
        return self._lines.knows_around(prefix, suffix, _is_config(uri))

    def _counted(self, refusal: Refusal) -> Refusal:
        self.refusals[refusal.kind] += 1
        return refusal

    def _judged(self, uri: str, trust: Trust, role: Role) -> str | Refusal:
        """Return what `_judge` does, from memory for a second: typing asks at every key."""
        question = (uri, trust, role, self._config(), self._workspace.folders)
        now = self._clock()
        judged_at, answer = self._verdicts.get(question, (None, ""))
        if judged_at is not None and now - judged_at < _MEMORY_S:
            return answer
        answer = self._judge(uri, trust, role)
        if len(self._verdicts) >= _MAX_VERDICTS:
            self._verdicts.clear()
        self._verdicts[question] = (now, answer)
        return answer

    def _judge(self, uri: str, trust: Trust, role: Role) -> str | Refusal:
        """Return the file's name for the model, or why it is refused."""
        config = self._config()
        if trust == "remote" and config.remote == "none":
            return Refusal("remote", "context.remote is none: no file goes to a remote backend")
        path = path_of(uri) if "://" in uri or uri.startswith("untitled:") else Path(uri)
        if path is None:
            return self._judge_unsaved(uri, trust, role)
        place = self._workspace.place(path)
        refusal = (
            self._judge_name(place, trust, config)
            or self._judge_place(place, trust, role)
            or self._judge_ignored(place, config)
            or self._judge_remote(place, trust, role, config)
        )
        return refusal or place.name

    def _judge_unsaved(self, uri: str, trust: Trust, role: Role) -> str | Refusal:
        """Judge a document that is no file here: a new one passes, other schemes only here."""
        scheme = urlsplit(uri).scheme
        if role == "document" and (scheme in UNSAVED_SCHEMES or trust == "local"):
            return PurePath(urlsplit(uri).path).name or "untitled"
        return Refusal(
            "outside", f"a document of the kind {scheme[:20]!r} is no file of the workspace"
        )

    def _judge_name(self, place: Place, trust: Trust, config: ContextConfig) -> Refusal | None:
        if _matches(config.deny, place):
            return Refusal("denied", f"{place.name} matches context.deny")
        names = {place.path.as_posix(), place.real.as_posix()}
        if any(looks_secret(name) for name in names) and not (
            trust == "local" and config.secret_files
        ):
            remedy = "; context.secretFiles lets a local engine see it" if trust == "local" else ""
            return Refusal("secret", f"{place.name} looks like a file of secrets{remedy}")
        return None

    def _judge_place(self, place: Place, trust: Trust, role: Role) -> Refusal | None:
        """Judge where a file is; what the user works in may be outside, for this machine."""
        if place.inside or (role == "document" and trust == "local"):
            return None
        return Refusal("outside", f"{place.name} is, or links to, a file outside of the workspace")

    def _judge_ignored(self, place: Place, config: ContextConfig) -> Refusal | None:
        if _matches(config.allow, place):
            return None
        for path in {place.path, place.real}:
            if path.is_relative_to(place.top):
                found = self._rules.ignored_by(place.top, path)
                if found is not None:
                    return Refusal(
                        "ignored", f"{found} leaves {place.name} out; context.allow lets it pass"
                    )
        return None

    def _judge_remote(
        self, place: Place, trust: Trust, role: Role, config: ContextConfig
    ) -> Refusal | None:
        if trust == "local" or role == "document" or config.remote == "workspace":
            return None
        if _matches(config.allow, place):
            return None
        return Refusal(
            "remote", f"context.remote is file: {place.name} does not go to a remote backend"
        )


def _failed(error: Exception) -> Refusal:
    # The text may stand in the error's message, so only its kind is told.
    logger.warning("the privacy gate failed: %s", type(error).__name__)
    return Refusal("error", f"the privacy gate failed: {type(error).__name__}")


def _is_config(name: str) -> bool:
    path = PurePath(name.lower())
    return path.suffix in _CONFIG_SUFFIXES or path.name.startswith(".env") or not path.suffix


def _matches(globs: tuple[str, ...], place: Place) -> bool:
    return bool(globs) and _spec(globs).check_file(place.name).include is True


@lru_cache(maxsize=8)
def _spec(globs: tuple[str, ...]) -> GitIgnoreSpec:
    return spec_of(globs)
