"""Tensors of a checkpoint by name, from safetensors files; every defect is a one-line ModelError.

`weights` (torch) and `arrays` (numpy) ask for names, shapes and tensors; they do not know whether
these lie in a file. torch is imported by whoever asks for its tensors, not here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from midfill_engine.errors import ModelError
from midfill_engine.kernels.packing import Bits, Floats, from_bfloat16
from midfill_engine.model.progress import OnProgress, untold
from midfill_engine.small_file import read_json

if TYPE_CHECKING:
    import torch

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

TensorReader: TypeAlias = "Callable[[str], torch.Tensor]"
"""Returns a tensor by name, as stored; it may be a view of a mapped file."""

Stored: TypeAlias = "npt.NDArray[np.floating | np.uint16]"
"""An array as a file holds it; numpy has no bfloat16, so uint16 means its bits."""

ArrayReader: TypeAlias = Callable[[str], Stored]
"""As `TensorReader`, for numpy."""

_DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


class Named(Protocol):
    """What is known of tensors before any is read."""

    @property
    def origin(self) -> str:
        """What error messages call it."""
        ...

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor."""
        ...


class TensorSource(Named, Protocol):
    """Named tensors for torch, wherever they lie."""

    def reader(self) -> AbstractContextManager[TensorReader]:
        """Opens the checkpoint; tensors must be copied before it closes."""
        ...


class ArraySource(Named, Protocol):
    """Named tensors for numpy, wherever they lie."""

    def arrays(self) -> AbstractContextManager[ArrayReader]:
        """Opens the checkpoint; what is no floating point is a ModelError."""
        ...


class Checkpoint(TensorSource, ArraySource, Protocol):
    """Both."""


@dataclass(frozen=True, slots=True)
class MemoryCheckpoint:
    """Tensors that are in memory already (tests, benchmarks)."""

    tensors: Mapping[str, torch.Tensor | Stored]
    origin: str = "memory"

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    @contextmanager
    def reader(self) -> Generator[TensorReader]:
        """Opens the checkpoint."""
        import torch

        def read(name: str) -> torch.Tensor:
            tensor = self.tensors[name]
            return tensor if isinstance(tensor, torch.Tensor) else torch.as_tensor(widened(tensor))

        yield read

    @contextmanager
    def arrays(self) -> Generator[ArrayReader]:
        """Opens the checkpoint; torch's tensors are widened to float32."""

        def read(name: str) -> Stored:
            tensor = self.tensors[name]
            if isinstance(tensor, np.ndarray):
                return tensor
            if not tensor.is_floating_point():
                raise _no_floats(name, str(tensor.dtype))
            return cast("Stored", tensor.detach().float().numpy())

        yield read


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
            with _open(path, "np") as handle:
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
                    handles[path] = stack.enter_context(_open(path, "pt"))
                self._tell(name)
                return cast("torch.Tensor", handles[path].get_tensor(name))

            yield read
            handles.clear()

    @contextmanager
    def arrays(self) -> Generator[ArrayReader]:
        """Maps files as they are asked for; they stay mapped for as long as somebody views them."""
        opened: dict[Path, _MappedFile] = {}

        def read(name: str) -> Stored:
            path = self.files[name]
            if path not in opened:
                opened[path] = _MappedFile(path)
            self._tell(name)
            return opened[path].array(name)

        yield read

    def _tell(self, name: str) -> None:
        self._read.add(name)
        self.on_progress("loading", len(self._read) / len(self.shapes))


class _MappedFile:
    """One safetensors file that `_open` found sound.

    Mapped here, since safetensors copies for numpy, and gives no bfloat16.
    """

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, np.uint8, "r")
        self._data = 8 + int.from_bytes(self._bytes[:8].tobytes(), "little")
        self._header: dict[str, Any] = json.loads(self._bytes[8 : self._data].tobytes())

    def array(self, name: str) -> Stored:
        told = self._header[name]
        dtype = _DTYPES.get(told["dtype"])
        if dtype is None:
            raise _no_floats(name, told["dtype"])
        begin, end = told["data_offsets"]
        found = self._bytes[self._data + begin : self._data + end]
        return cast("Stored", found.view(np.ndarray).view(dtype).reshape(told["shape"]))


def widened(stored: Stored) -> Floats:
    """Returns an array in float32, itself where it is that."""
    if stored.dtype == np.uint16:
        return from_bfloat16(cast("Bits", stored))
    return stored.astype(np.float32, copy=False)


def alike(*parts: Stored) -> tuple[Stored, ...]:
    """Returns arrays that can be put together: in float32 where they are of several dtypes."""
    if len({part.dtype for part in parts}) == 1:
        return parts
    return tuple(widened(part) for part in parts)


def _no_floats(name: str, dtype: str) -> ModelError:
    return ModelError(f"the tensor {name} is stored as {dtype}; use an unquantised model")


def _open(path: Path, framework: str) -> Any:  # noqa: ANN401  # safetensors' handle is untyped
    try:
        return safe_open(str(path), framework=framework, device="cpu")
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
        content: object = read_json(path)
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
