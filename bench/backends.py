"""Who completes: engines over HTTP, one per worker, or transformers in this process.

Called by the benchmarks of quality. Requests to an engine carry a session for each order, so
that one case's variants share the prompt that they have in common.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from training.reference import ORDERS, Order, Reference

from midfill_lsp.fim_files import OtherFile, OtherFiles, as_comments

START_TIMEOUT_S = 300.0
REQUEST_TIMEOUT_S = 300.0
"""A machine that also trains once took over two minutes."""
KEY = "bench-quality-key"
MAX_INFILL = 1024
"""Tokens of a prompt: what the bundled model gets on two threads. These engines have one each."""


class EngineStartError(Exception):
    """The engine ended, or was not ready in time; the message holds its output."""


@dataclass(frozen=True, slots=True)
class Variant:
    """How a model is asked."""

    order: Order
    heal: bool

    @property
    def name(self) -> str:
        """The variant as rows and options name it: ``spm``, ``psm_line_heal``."""
        return self.order + ("_heal" if self.heal else "")


VARIANTS = {
    each.name: each for order in ORDERS for each in (Variant(order, False), Variant(order, True))
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; greedy.

    Attributes:
        num_lines: where to stop (None: nowhere).
        others: pieces of other files that go along.
    """

    prefix: str
    suffix: str
    variant: Variant
    num_predict: int
    num_lines: int | None = 1
    others: OtherFiles = field(default_factory=OtherFiles)


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion: its text and the ids that it is made of."""

    text: str
    ids: list[int]


Complete = Callable[[Ask], Answer]


def from_reference(folder: Path) -> Complete:
    """Returns transformers' answers."""
    reference = Reference(folder)

    def complete(ask: Ask) -> Answer:
        order, heal = ask.variant.order, ask.variant.heal
        made = reference.complete(
            ask.prefix, ask.suffix, order, ask.num_predict, heal, ask.num_lines,
            as_texts(ask.others.files),
        )  # fmt: skip
        return Answer(made.text, made.ids)

    return complete


@contextmanager
def engines(
    model: Path, num_workers: int, dtype: str = "auto", max_infill: int = MAX_INFILL
) -> Generator[list[Complete]]:
    """Starts ``num_workers`` engines of one thread each on a folder.

    The folder's ``infill.json`` is hidden from them: a default of its own would change what the
    variants mean.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "model").mkdir()
        for file in model.iterdir():
            if file.name != "infill.json":
                (folder / "model" / file.name).symlink_to(file.resolve())
        places = [folder / str(idx) for idx in range(num_workers)]
        yield [
            stack.enter_context(started(folder / "model", place, dtype, max_infill))
            for place in places
        ]


@contextmanager
def started(model: Path, folder: Path, dtype: str, max_infill: int) -> Generator[Complete]:
    """Starts an engine on ``model``, with its files in ``folder``, and yields its answers."""
    options = ("--dtype", dtype, "--max-infill", str(max_infill))
    with serving(model, folder, options, ONE_THREAD) as url, attached(url, KEY) as complete:
        yield complete


@contextmanager
def serving(
    model: Path, folder: Path, options: Sequence[str], env: Mapping[str, str]
) -> Generator[str]:
    """Starts an engine with ``KEY`` and more options, its files in ``folder``; yields its URL."""
    folder.mkdir()
    key_file, ready_file, log = folder / "key", folder / "ready.json", folder / "engine.log"
    key_file.touch(mode=0o600)
    key_file.write_text(KEY)
    command = [
        sys.executable, "-m", "midfill_engine.cli", "serve", "--model", str(model), "--port", "0",
        "--ready-file", str(ready_file), "--api-key-file", str(key_file), *options,
    ]  # fmt: skip
    with (
        log.open("w") as sink,
        subprocess.Popen(
            command, stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **env}
        ) as process,
    ):
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not ready_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EngineStartError(f"the engine did not start: {log.read_text().strip()}")
                time.sleep(0.1)
            yield json.loads(ready_file.read_text())["url"]
        finally:
            process.terminate()


ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Two engines of one thread answer more than one of two: none waits for the other's barrier."""


def client(url: str, key: str) -> httpx.Client:
    """Returns a client that may ask the engine at ``url``; without a key where it is blank."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=url, headers=headers, timeout=REQUEST_TIMEOUT_S, trust_env=False)


@contextmanager
def attached(url: str, key: str) -> Generator[Complete]:
    """Yields the answers of the engine at ``url``; raises ``httpx.HTTPError`` when it refuses."""
    with client(url, key) as engine:

        def complete(ask: Ask) -> Answer:
            with engine.stream("POST", "/infill", json=body(ask)) as reply:
                if reply.status_code >= 400:
                    reply.read()
                    raise httpx.HTTPError(f"{url} answered {reply.status_code}: {reply.text[:500]}")
                return collect(reply, ask.num_lines)

        yield complete


def body(ask: Ask) -> dict[str, object]:
    """Returns the ``/infill`` request; ``psm_line`` moves the line's start behind the middle."""
    order, prefix = ask.variant.order, ask.prefix
    start = prefix.rfind("\n") + 1 if order == "psm_line" else len(prefix)
    fields: dict[str, object] = {
        "input_prefix": prefix[:start], "prompt": prefix[start:], "input_suffix": ask.suffix,
        "order": "spm" if order == "spm" else "psm", "heal": ask.variant.heal,
        "n_predict": ask.num_predict, "temperature": 0, "stream": True,
        "session": "spm" if order == "spm" else "psm",
    }  # fmt: skip
    if ask.num_lines == 1:
        fields["stop"] = ["\n"]
    if ask.others.files:
        files = [{"filename": file.name, "text": file.text} for file in ask.others.files]
        fields |= {"input_extra": files, "filename": ask.others.filename,
                   "repo_name": ask.others.repo_name}  # fmt: skip
    return fields


def as_texts(files: Sequence[OtherFile]) -> tuple[str, ...]:
    """Returns each file as the engine writes it for a model without separators for files."""
    return tuple(as_comments(OtherFiles((file,))) for file in files)


def collect(reply: httpx.Response, num_lines: int | None) -> Answer:
    """Reads events until the last, or until ``num_lines`` lines stand; leaving is the abort."""
    text, ids = "", list[int]()
    for line in reply.iter_lines():
        if not line.startswith("data:"):
            continue
        event = json.loads(line[len("data:") :])
        if "error" in event:
            raise httpx.HTTPError(f"the engine failed: {event['error']}")
        text += event["content"]
        ids += event.get("tokens", [])
        if event["stop"] or (num_lines is not None and text.count("\n") >= num_lines):
            break
    return Answer(text, ids)
