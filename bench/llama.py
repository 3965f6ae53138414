"""llama.cpp as a contender: its own server on a converted copy of the same weights.

The server is started with the threads that the others have, and only its own clock counts, so that
HTTP is nobody's cost, but where many ask at once. Called by `bench/engine.py`; the binary and the
files are the user's:

    pip download --no-deps --no-binary :all: llama-cpp-python      # holds llama.cpp's sources
    cmake -B build -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF vendor/llama.cpp
    cmake --build build --target llama-server llama-quantize
    python vendor/llama.cpp/convert_hf_to_gguf.py --outtype f32 --outfile f32.gguf MODEL_DIR
    build/bin/llama-quantize f32.gguf q8_0.gguf Q8_0    # beside int8; Q6_K beside int6

On a machine with AMX its products crash as built by GCC 12.2, whose `_tile_loadconfig` says that
it reads eight bytes only: take another compiler, or a barrier before the call (docs/log.md).
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.contenders import Trace

START_TIMEOUT_S = 120.0


class LlamaError(Exception):
    """The server does not start or does not answer as expected."""


@dataclass(frozen=True, slots=True)
class LlamaSettings:
    """How `llama-server` is started.

    Attributes:
        binary: the server.
        context: tokens of a slot.
        threads: of a step and of a prompt.
        num_slots: requests that run at once.
        drafts: its `--spec-type`, for drafts of its own; None drafts nothing.
    """

    binary: Path
    context: int
    threads: int
    num_slots: int
    drafts: str | None = None

    def command(self, gguf: Path, port: int) -> list[str]:
        """Returns the command line."""
        command = [
            str(self.binary), "-m", str(gguf), "-c", str(self.context * self.num_slots),
            "-np", str(self.num_slots), "-t", str(self.threads), "-tb", str(self.threads),
            "--host", "127.0.0.1", "--port", str(port), "--no-webui",
        ]  # fmt: skip
        return command if self.drafts is None else [*command, "--spec-type", self.drafts]


class LlamaServer:
    """A running `llama-server`; greedy, its prompt cache used where the others use theirs."""

    def __init__(self, name: str, client: httpx.Client) -> None:
        """Talks through `client`, whose base URL is the server's."""
        self.name = name
        self._client = client

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Computes the prompt, from `known` on if the server finds that it can.

        The seconds are the server's own `timings`; it tells the sum of the tokens after the
        first, which is spread evenly over them. With drafts it may end early though it is told not
        to; the tokens that lack are then counted at the pace of the others.
        """
        if known:  # the slot holds the last prompt and what followed: begin at the prompt alone
            self._post(prompt[:known], 1)
        reply = self._post(prompt, count, cache_prompt=known > 0)
        timings: dict[str, Any] = reply["timings"]
        trace = Trace(computed=int(timings["prompt_n"]))
        first = float(timings["prompt_ms"]) / 1000
        later = float(timings["predicted_ms"]) / 1000 / max(1, int(timings["predicted_n"]) - 1)
        trace.tokens = reply["tokens"]
        trace.seconds = [first + later * idx for idx in range(count)]
        return trace

    def crowd(self, prompts: Sequence[Sequence[int]], count: int, known: int) -> float:
        """As many requests as prompts, posted together, on this process's clock.

        As `complete` where some end early. The server finds the slot that knows a prompt.
        """
        for prompt in prompts if known else ():
            self._post(prompt[:known], 1)
        with ThreadPoolExecutor(len(prompts)) as pool:
            begin = time.perf_counter()
            replies = [
                pool.submit(self._post, prompt, count, cache_prompt=known > 0) for prompt in prompts
            ]
            made = sum(int(reply.result()["tokens_predicted"]) for reply in replies)
            return (time.perf_counter() - begin) * len(prompts) * count / made

    def close(self) -> None:
        """Nothing: `serving` ends the server."""

    def _post(
        self, prompt: Sequence[int], count: int, *, cache_prompt: bool = True
    ) -> dict[str, Any]:
        body = {
            "prompt": list(prompt), "n_predict": count, "temperature": 0, "ignore_eos": True,
            "cache_prompt": cache_prompt, "return_tokens": True, "stream": False,
        }  # fmt: skip
        reply = self._client.post("/completion", json=body)
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found


@contextlib.contextmanager
def serving(settings: LlamaSettings, gguf: Path) -> Generator[LlamaServer]:
    """Yields a server on `gguf`, named after the file.

    Raises:
        LlamaError: it ended, or was not ready in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = settings.command(gguf, port)
    label = "llama.cpp" if settings.drafts is None else f"llama.cpp+{settings.drafts}"
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False) as client,
    ):
        try:
            _wait(process, client, gguf)
            yield LlamaServer(f"{label} {gguf.stem}", client)
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], client: httpx.Client, gguf: Path) -> None:
    """Returns when the server answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/health").status_code == 200:
                return
        time.sleep(0.1)
    told = f"status {process.returncode}" if process.poll() is not None else "still loading"
    raise LlamaError(f"llama-server on {gguf} is not ready: {told}; run it by hand to see why")
