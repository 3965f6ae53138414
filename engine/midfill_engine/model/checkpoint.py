"""Tensors of a checkpoint by name, from safetensors files; every defect is a one-line ModelError.

`weights` asks for names, shapes and tensors; it does not know whether they lie in a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import torch
from safetensors import SafetensorError, safe_open

from midfill_engine.errors import ModelError
from midfill_engine.model.progress import OnProgress, untold

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


TensorReader: TypeAlias = Callable[[str], torch.Tensor]
"""Returns a tensor by name, as stored; it may be a view of a mapped file."""


class Checkpoint(Protocol):
    """Named tensors, wherever they lie."""

    @property
    def origin(self) -> str:
        """What error messages call it."""
        ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor."""
        ...

    def reader(self) -> AbstractContextManager[TensorReader]:
        """Opens the checkpoint; tensors must be copied before it closes."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryCheckpoint:
    """Tensors that are in memory already (tests, benchmarks)."""

    tensors: Mapping[str, torch.Tensor]
    origin: str = "memory"

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    @contextmanager
    def reader(self) -> Generator[TensorReader]:
        """Opens the checkpoint."""
        yield self.tensors.__getitem__


@dataclass(frozen=True, slots=True)
class FolderCheckpoint:
    """safetensors in a folder, in one file or in shards.

    Attributes:
        origin: the folder.
        shapes: the shape of every tensor.
        files: the file of every tensor.
        on_progress: told how many of the tensors were read, at each.
    """

    origin: str
    shapes: Mapping[str, tuple[int, ...]]
    files: Mapping[str, Path]
    on_progress: OnProgress = untold
    _read: set[str] = field(default_factory=set[str])

    @classmethod
    def open(cls, folder: Path, on_progress: OnProgress = untold) -> FolderCheckpoint:
        """Reads the headers of all files.

        Raises:
            ModelError: no safetensors, a shard missing, a file broken, an index that lies.
        """
        index = None if (folder / SINGLE_FILE).is_file() else _read_index(folder)
        names = {SINGLE_FILE} if index is None else set(index.values())
        shapes: dict[str, tuple[int, ...]] = {}
        files: dict[str, Path] = {}
        for name in sorted(names):
            path = folder / name
            with _open(path) as handle:
                for key in handle.keys():  # noqa: SIM118  # a handle is no dict
                    shapes[key] = tuple(handle.get_slice(key).get_shape())
                    files[key] = path
        for key, name in (index or {}).items():
            if key not in files:
                raise ModelError(
                    f"{folder / INDEX_FILE} places {key} in {name}, which lacks it; "
                    "fetch the model again"
                )
        return cls(str(folder), shapes, files, on_progress)

    @contextmanager
    def reader(self) -> Generator[TensorReader]:
        """Maps files as they are asked for; at the end they are unmapped once nobody views them."""
        handles: dict[Path, Any] = {}
        with ExitStack() as stack:

            def read(name: str) -> torch.Tensor:
                path = self.files[name]
                if path not in handles:
                    handles[path] = stack.enter_context(_open(path))
                self._tell(name)
                return cast("torch.Tensor", handles[path].get_tensor(name))

            yield read
            handles.clear()

    def _tell(self, name: str) -> None:
        self._read.add(name)
        self.on_progress("loading", len(self._read) / len(self.shapes))


def _open(path: Path) -> Any:  # noqa: ANN401  # safetensors' handle is untyped
    try:
        return safe_open(str(path), framework="pt", device="cpu")
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; fetch the model again") from None
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{path} is no readable safetensors file ({reason}); fetch it again"
        ) from None


def _read_index(folder: Path) -> dict[str, str]:
    path = folder / INDEX_FILE
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(_no_weights(folder)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); fetch it again") from None
    places = cast("dict[str, object]", content).get("weight_map") if _is_dict(content) else None
    if not _is_dict(places) or not places:
        raise ModelError(f"{path} has no weight_map; fetch it again")
    index: dict[str, str] = {}
    for key, name in cast("dict[str, object]", places).items():
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelError(f"{path} places {key} in {name!r}, which is no file name")
        if not (folder / name).is_file():
            raise ModelError(f"{path} names {name}, which is missing; fetch the model again")
        index[key] = name
    return index


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def _no_weights(folder: Path) -> str:
    if any(folder.glob("pytorch_model*.bin")):
        return (
            f"{folder} holds only pytorch_model.bin weights; convert them with transformers' "
            "save_pretrained, which writes safetensors"
        )
    return f"{folder} has neither {SINGLE_FILE} nor {INDEX_FILE}; fetch the model again"
