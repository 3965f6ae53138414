"""From what the user wrote after `--model` to a folder on disk: bundled, given, or from the Hub.

Called by `exec.runner` and by whoever needs the folder's tokenizer.
"""

from __future__ import annotations

import re
from pathlib import Path

from midfill_engine.errors import ModelError
from midfill_engine.model import hub
from midfill_engine.model.progress import OnProgress, untold
from midfill_engine.place import on_disk

STARTER = "starter"
STARTER_FOLDER = Path(__file__).resolve().parent.parent / "starter"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")


def resolve(source: str, on_progress: OnProgress = untold) -> Path:
    """Returns the folder of `starter`, of a path, or of a Hub id `owner/name[@revision]`.

    A folder wins over a Hub id of the same spelling. Hub models are fetched (or found in the
    Hub's cache) by huggingface_hub, which reads HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE;
    `on_progress` is told of what comes.

    Raises:
        ModelError: no such folder; the Hub cannot be reached, or refuses or lacks the model.
    """
    if source == STARTER:
        if not (STARTER_FOLDER / "config.json").is_file():
            raise ModelError(
                f"the bundled model is not there ({STARTER_FOLDER}); install midfill again "
                "or name a model with --model"
            )
        return STARTER_FOLDER
    found = on_disk(source) if source else None
    if found is not None and found.is_dir():
        return found
    if found is not None:
        raise ModelError(f"{source} is a file; give the folder that holds config.json")
    if source.startswith((".", "/", "~")) or not HUB_ID.fullmatch(source):
        raise ModelError(
            f"model {source[:200]!r} is no folder here, nor a Hub id (owner/name); "
            f"give a folder, a Hub id or {STARTER!r}"
        )
    return hub.fetch(source, on_progress)
