"""What the settings' files say, what is wrong with them, and what they switch off. For `doctor`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, cast

from midfill_lsp.cli.finding import Finding
from midfill_lsp.engine_process import process, state
from midfill_lsp.errors import EngineStartError
from midfill_lsp.hosts import is_loopback
from midfill_lsp.recent import read_all
from midfill_lsp.settings.files import user_file
from midfill_lsp.settings.settle import Settled
from midfill_lsp.settings.sources import Sources

_SET = "midfill config set"
_GONE = Finding("workspace", "missing", "the current folder no longer exists", "change to another")


def find_settings(sources: Sources, folder: Path | None) -> list[Finding]:
    """Return findings about the files of the user and of the workspace in `folder`.

    None is the folder that the program runs in, where that is gone.
    """
    sources.set_folders([] if folder is None else [folder])
    settled = sources.settled()
    files = [path for path in (user_file(), *sources.workspace_files) if path.exists()]
    found = ", ".join(map(str, files)) or f"no file (yours would be {user_file()})"
    set_ones = len(settled.origins)
    told = f"{found}; {set_ones} set, the others have their defaults"
    return [
        Finding("settings", "ok", told),
        *([_GONE] if folder is None else []),
        *(
            Finding("settings", "broken", problem, "mend it; midfill config check says the same")
            for problem in settled.problems
        ),
        *_switched_off(settled),
    ]


def _switched_off(settled: Settled) -> list[Finding]:
    """Return what keeps suggestions or other files back, with the setting and where it was set."""
    config, found = settled.config, list[Finding]()

    def note(key: str, text: str, remedy: str) -> None:
        origin = settled.origins.get(key, "the default")
        found.append(Finding("switched off", "missing", f"{text} ({key}, {origin})", remedy))

    if not config.completion.enabled:
        note("completion.enabled", "all suggestions", f"{_SET} completion.enabled true")
    if config.completion.disabled_languages:
        listed = ", ".join(config.completion.disabled_languages)
        key = "completion.disabled_languages"
        note(key, f"suggestions in {listed}", f"midfill config unset {key}, if that is not wanted")
    url = config.backend.url
    is_remote = config.backend.kind != "engine" and not (url is not None and is_loopback(url))
    if is_remote and config.context.remote == "none":
        note("context.remote", "everything: the backend is remote", f"{_SET} context.remote file")
    if not config.statistics.enabled:
        note("statistics.enabled", "statistics", f"{_SET} statistics.enabled true, if wanted")
    return found


def find_latest() -> list[Finding]:
    """Return what became of the latest requests of the editors that run, if one does."""
    try:
        latest = read_all(state.ensure_dir(), process.is_alive)[:50]
    except EngineStartError:  # told as the state folder's finding
        return []
    if not latest:
        return [Finding("requests", "ok", "no language server runs, or none was asked yet")]
    reasons = [cast("dict[str, Any]", request["reason"]) for request in latest]
    counts = Counter(str(reason["code"]) for reason in reasons)
    told = ", ".join(f"{number} {code}" for code, number in counts.most_common())
    last = reasons[0]
    is_error = str(last["code"]).startswith("error")
    found = f"the last {len(latest)}: {told}. The latest: {last['sentence']}"
    remedy = "midfill explain tells each" if last["remedy"] is None else str(last["remedy"])
    return [Finding("requests", "broken" if is_error else "ok", found, remedy)]
