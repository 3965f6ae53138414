"""Models from the Hugging Face Hub: what a download would bring, and the download itself.

huggingface_hub does the work: its cache, its token (HF_TOKEN, HF_TOKEN_PATH, the token file), its
HF_ENDPOINT and HF_HUB_OFFLINE, its retries. A connection that breaks is taken up again where it
broke; a download that was ended goes on with the files that are not whole yet. Called by `source`
for a model that is to run, and by `cli` for `midfill-engine pull`.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from midfill_engine.errors import ModelError
from midfill_engine.model.progress import OnProgress, untold

_FILES = (
    "config.json", "generation_config.json", "infill.json", "tokenizer*", "special_tokens_map.json",
    "chat_template.jinja", "additional_chat_templates/*.jinja", "*.safetensors*",
)  # fmt: skip
_SPARE_BYTES = 2**28
"""Of the disk, left free behind a download."""


@dataclass(frozen=True, slots=True)
class HubPlan:
    """What a download would bring.

    Attributes:
        repo_id: owner/name.
        licence: as its card names it; None where it does not.
        gated: whether its terms must be accepted on the Hub first.
        total_bytes: of all files.
        missing_bytes: of those that are not in the cache yet.
        cache: the folder that they go to.
    """

    repo_id: str
    licence: str | None
    gated: bool
    total_bytes: int
    missing_bytes: int
    cache: Path


def plan(source: str) -> HubPlan:
    """Returns what fetching `owner/name[@revision]` would bring.

    Raises:
        ModelError: it cannot be had, is no model of a kind that runs here, or does not fit the
            disk.
    """
    from huggingface_hub import HfApi, constants

    repo_id, revision = _split(source)
    with _plain_errors(repo_id, revision):
        info = HfApi().model_info(repo_id, revision=revision)
        names = [file.rfilename for file in info.siblings or ()]
        _check_kind(repo_id, names)
        with _no_bars():  # they are for what is downloaded
            files = _snapshot(repo_id, revision, dry_run=True)
    licences = [tag.removeprefix("license:") for tag in info.tags or () if "license:" in tag]
    found = HubPlan(
        repo_id=repo_id,
        licence=licences[0] if licences else None,
        gated=bool(info.gated),
        total_bytes=sum(file.file_size or 0 for file in files),
        missing_bytes=sum(file.file_size or 0 for file in files if file.will_download),
        cache=Path(constants.HF_HUB_CACHE).expanduser(),
    )
    _check_disk(found)
    return found


def fetch(source: str, on_progress: OnProgress = untold) -> Path:
    """Returns the folder of `owner/name[@revision]`, downloaded if need be.

    `on_progress` is told of the bytes, as far as the files are begun: a few at a time.

    Raises:
        ModelError: it cannot be had.
    """
    repo_id, revision = _split(source)
    with _plain_errors(repo_id, revision):
        bar = _bar(on_progress)
        return Path(_snapshot(repo_id, revision, tqdm_class=bar))


def _snapshot(repo_id: str, revision: str | None, **extra: object) -> Any:  # noqa: ANN401  # str or files
    # Imported late: it takes a third of a second, and a local model does not need it.
    import huggingface_hub

    # Its overloads are untyped in part.
    download = cast("Callable[..., Any]", cast("Any", huggingface_hub).snapshot_download)
    return download(repo_id, revision=revision, allow_patterns=list(_FILES), **extra)


def _bar(on_progress: OnProgress) -> type:
    """Returns the library's progress bar, which tells `on_progress` too, shown or not."""
    base: Any = _utils().tqdm

    class Bar(base):  # type: ignore[misc]
        def __init__(self, *args: object, **options: Any) -> None:  # noqa: ANN401  # tqdm's
            name, unit = options.get("name"), options.get("unit")
            self._is_of_bytes = (name, unit) == ("huggingface_hub.snapshot_download", "B")
            self._num_bytes = float(options.get("initial") or 0)
            base.__init__(self, *args, **options)

        def update(self, n: float | None = 1) -> Any:  # noqa: ANN401  # whatever tqdm says
            self._num_bytes += n or 0
            if self._is_of_bytes and self.total:
                on_progress("downloading", self._num_bytes / self.total)
            return base.update(self, n)

    return Bar


def _utils() -> Any:  # noqa: ANN401  # a module that exports its names without saying so
    # Asked for by name: the package has no such attribute before something has imported it.
    from huggingface_hub import utils

    return utils


@contextmanager
def _no_bars() -> Generator[None]:
    utils = _utils()
    if utils.are_progress_bars_disabled():
        yield
        return
    utils.disable_progress_bars()
    try:
        yield
    finally:
        utils.enable_progress_bars()


def _split(source: str) -> tuple[str, str | None]:
    repo_id, _, revision = source.partition("@")
    return repo_id, revision or None


def _check_kind(repo_id: str, names: list[str]) -> None:
    if "config.json" not in names:
        raise ModelError(f"model {repo_id} has no config.json: it is no transformers model")
    if not any(name.endswith(".safetensors") for name in names):
        others = sorted({Path(name).suffix for name in names} & {".bin", ".gguf", ".pt", ".onnx"})
        told = f" (only {', '.join(others)})" if others else ""
        raise ModelError(
            f"model {repo_id} has no safetensors{told}: take one that has, often its name on the "
            "Hub ends in -hf or it lies in the original owner's account"
        )
    if "tokenizer.json" not in names:
        raise ModelError(f"model {repo_id} has no tokenizer.json: a fast tokenizer is needed")


def _check_disk(found: HubPlan) -> None:
    place = next(path for path in (found.cache, *found.cache.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if found.missing_bytes + _SPARE_BYTES > free:
        raise ModelError(
            f"model {found.repo_id} needs {found.missing_bytes / 1e9:.1f} GB more, and "
            f"{found.cache} has {free / 1e9:.1f} GB free: make room, or set HF_HOME to a larger "
            "disk"
        )


@contextmanager
def _plain_errors(repo_id: str, revision: str | None) -> Generator[None]:
    """Turns what the Hub's library raises into one line each.

    Raises:
        ModelError: instead.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # The Hub's client changed its HTTP library twice; this is the base of whichever it uses.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    try:
        yield
    except ModelError:
        raise
    except GatedRepoError:
        raise ModelError(
            f"model {repo_id} is gated: accept its terms on huggingface.co/{repo_id} with your "
            "account, then set HF_TOKEN to a token of it"
        ) from None
    except RevisionNotFoundError:
        raise ModelError(f"model {repo_id} has no revision {revision!r} on the Hub") from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"model {repo_id} is not on the Hub, or is private: check the name, or set HF_TOKEN"
        ) from None
    except (OSError, ValueError, transport_error) as error:
        raise ModelError(_reason(repo_id, error)) from None


def _reason(repo_id: str, error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return f"the Hub does not know the token for {repo_id}: renew HF_TOKEN, or unset it"
    if status == 403:
        return f"the token may not read {repo_id}: give it access to gated repositories"
    told = textwrap.shorten(str(error), 300, placeholder=" ...")
    return (
        f"model {repo_id} is no folder here and cannot be fetched from the Hub ({told}); "
        "check the connection and run it again (what is there stays), or give a folder"
    )
