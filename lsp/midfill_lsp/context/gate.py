"""The one gate that text passes on its way to a backend: which files, and without which secrets.

    answer = gate.admit(uri, text, trust)                    # another file, or a part of it
    answer = gate.admit(uri, text, trust, role="document")   # the one that is edited or selected
    if isinstance(answer, Refusal): ...  # answer.reason says why and what would change it
    else: ...                            # answer.text may be sent under answer.name

Every source asks here, with the text as it will be sent, right before it is sent. Secrets in the
lines are masked for every backend, in what the user says himself for those elsewhere. It fails
closed: an error inside is a refusal, and counted. Called by the completion and chat use cases;
`SecretLines.load` takes half a second the first time, so call `prepare` in a thread before.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from midfill_lsp.config import ContextConfig
from midfill_lsp.context.git_rules import GitFailed
from midfill_lsp.context.judge import Judge, Kind, Refusal, Role
from midfill_lsp.context.rule_files import UnknownRules
from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.trust import Trust
from midfill_lsp.context.workspace import Workspace

logger = logging.getLogger(__name__)

_CONFIG_SUFFIXES: Final = frozenset({".yml", ".yaml", ".toml", ".http", ".rest", ".mk", ""})
"""Files whose values stand without quotes, as in those without an extension, such as `.npmrc`.

Where a bare word is a name, as in Terraform, Gradle and PowerShell, only what has quotes counts.
"""
_SETTINGS_SUFFIXES: Final = frozenset(
    {".ini", ".cfg", ".conf", ".properties", ".env", ".cnf", ".service"}
)
_SHELL_SUFFIXES: Final = frozenset(
    {".sh", ".bash", ".zsh", ".ksh", ".fish", ".bat", ".cmd", ".dockerfile"}
)
_SHELL_NAMES: Final = frozenset({"dockerfile", "containerfile"})
_SHELL_STEMS: Final = ("Dockerfile.", "Containerfile.")
"""Of names such as `Dockerfile.prod`; `dockerfile.ts` is code."""
_COPY_SUFFIXES: Final = frozenset({".example", ".sample", ".template", ".dist"})
"""The name in front says how such a file writes values; without quotes whatever it is."""
_KEPT_SUFFIXES: Final = frozenset({".bak", ".orig", ".old"})
"""The name in front says it all; where it has no ending, it may be code's, but for these."""
_CONFIG_NAMES: Final = frozenset(
    {"makefile", "gnumakefile", "config", "settings", "properties", "environment", "credentials"}
    | {"hosts", "inventory"}
)
_MADE_SUFFIXES: Final = frozenset({".in", ".j2", ".jinja", ".jinja2", ".tpl", ".tmpl", ".erb"})
"""The same of templates."""


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
        self._config = config
        self._judge = Judge(config, workspace, clock)
        self._lines = lines or SecretLines()
        self.refusals: Counter[Kind] = Counter()
        """How often each kind was refused, since the start."""

    def forget(self) -> None:
        """Judge every file anew: rules may have changed."""
        self._judge.forget()

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
            answer = self._judge.judged(uri, trust, role)
            if not isinstance(answer, Refusal):
                masked = self._lines.mask(text, _syntax_of(answer))
                return Admitted(masked.text, self.named(answer), masked.num_secrets)
        except Exception as error:
            answer = _failed(error)
        return self._counted(answer)

    def admit_around(
        self, uri: str, prefix: str, suffix: str, trust: Trust
    ) -> AdmittedAround | Refusal:
        """Return what of the text around the cursor may be sent, or why nothing may."""
        try:
            answer = self._judge.judged(uri, trust, "document")
            if not isinstance(answer, Refusal):
                before, behind, num = self._lines.mask_around(prefix, suffix, _syntax_of(answer))
                return AdmittedAround(before, behind, self.named(answer), num)
        except Exception as error:
            answer = _failed(error)
        return self._counted(answer)

    def admit_words(self, text: str, trust: Trust) -> Admitted | Refusal:
        """Return what may be sent of what the user says himself.

        This machine may hear all of it. For others secrets are masked as in configuration, since
        what is pasted into a question often is some.
        """
        if trust == "local":
            return Admitted(text, "", 0)
        try:
            masked = self._lines.mask(text, Syntax.CONFIG)
        except Exception as error:
            return self._counted(_failed(error))
        return Admitted(masked.text, "", masked.num_secrets)

    def named(self, name: str) -> str:
        """Return a file's or folder's name as it may be sent: names hold secrets too."""
        return self._lines.mask(name).text

    def lets_others_pass(self, trust: Trust) -> bool:
        """Whether any file but the edited one may go to such a backend."""
        config = self._config()
        return (
            trust == "local"
            or config.remote == "workspace"
            or (config.remote == "file" and bool(config.allow))
        )

    def is_quick(self, uri: str, prefix: str, suffix: str, trust: Trust) -> bool:
        """Whether `admit_around` has little to do; else a thread had better call it."""
        is_judged = self._judge.knows(uri, trust, "document")
        return is_judged and self._lines.knows_around(prefix, suffix, _syntax_of(uri))

    def _counted(self, refusal: Refusal) -> Refusal:
        self.refusals[refusal.kind] += 1
        return refusal


def _failed(error: Exception) -> Refusal:
    # The text may stand in the message of an error that is not ours, so only its kind is told.
    is_ours = isinstance(error, GitFailed | UnknownRules)
    told = str(error) if is_ours else type(error).__name__
    logger.warning("the privacy gate failed: %s", told)
    return Refusal("error", f"the privacy gate failed: {told}")


def _syntax_of(name: str) -> Syntax:
    path = PurePath(name.lower())
    is_copy = is_kept = False
    while path.suffix in _COPY_SUFFIXES | _KEPT_SUFFIXES | _MADE_SUFFIXES:
        is_copy |= path.suffix in _COPY_SUFFIXES
        is_kept |= path.suffix in _KEPT_SUFFIXES
        path = path.with_suffix("")
    if path.name.startswith(".env") or path.suffix in _SETTINGS_SUFFIXES:
        return Syntax.SETTINGS
    is_script = path.name in _SHELL_NAMES or path.suffix in _SHELL_SUFFIXES
    if is_script or PurePath(name).name.startswith(_SHELL_STEMS):
        return Syntax.SHELL
    is_told = path.name in _CONFIG_NAMES or path.suffix or path.name.startswith(".")
    may_be_code = is_kept and not is_copy and not is_told
    is_config = is_copy or path.suffix in _CONFIG_SUFFIXES
    return Syntax.CONFIG if is_config and not may_be_code else Syntax.CODE
