"""From what the user wrote after `--model` to a folder on disk: bundled, given, or from the Hub.

Called by `exec.runner` and by whoever needs the folder's tokenizer.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from midfill_engine.errors import ModelError

STARTER = "starter"
STARTER_FOLDER = Path(__file__).resolve().parent.parent / "starter"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?")
_HUB_FILES = (
    "config.json", "generation_config.json", "infill.json", "tokenizer*", "special_tokens_map.json",
    "chat_template.jinja", "additional_chat_templates/*.jinja", "*.safetensors*",
)  # fmt: skip


def resolve(source: str) -> Path:
    """Returns the folder of `starter`, of a path, or of a Hub id `owner/name[@revision]`.

    A folder wins over a Hub id of the same spelling. Hub models are fetched (or found in the
    Hub's cache) by huggingface_hub, which reads HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_OFFLINE.

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
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        return folder
    if folder.is_file():
        raise ModelError(f"{source} is a file; give the folder that holds config.json")
    if source.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(source):
        raise ModelError(
            f"model {source!r} is no folder here, nor a Hub id (owner/name); "
            f"give a folder, a Hub id or {STARTER!r}"
        )
    return _fetch(source)


def _fetch(source: str) -> Path:
    # Imported late: it takes a third of a second, and a local model does not need it.
    from huggingface_hub import snapshot_download  # pyright: ignore[reportUnknownVariableType]  # untyped in part
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The Hub's client changed its HTTP library twice; this is the base of whichever it uses.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    repo_id, _, revision = source.partition("@")
    try:
        folder = snapshot_download(
            repo_id, revision=revision or None, allow_patterns=list(_HUB_FILES)
        )
    except GatedRepoError:
        raise ModelError(
            f"model {repo_id} is gated: accept its terms on huggingface.co and set HF_TOKEN"
        ) from None
    except RevisionNotFoundError:
        raise ModelError(f"model {repo_id} has no revision {revision!r} on the Hub") from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"model {repo_id} is not on the Hub, or is private: check the name, or set HF_TOKEN"
        ) from None
    except (OSError, ValueError, transport_error) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"model {repo_id} is no folder here and cannot be fetched from the Hub ({reason}); "
            "check the connection, or give a folder"
        ) from None
    return Path(folder)
