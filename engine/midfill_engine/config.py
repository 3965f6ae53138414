"""Every default of the engine, in one tree. `cli` fills it from the command line, once.

EngineConfig
├── model: ModelConfig       the first model: which one, where and how it runs
├── others: ModelConfig ...  more models of the same engine
├── server: ServerConfig     socket, key, ready file, end of life
└── limits: Limits           bounds of one request
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "int8", "int6", "int4", "fp8"]
CacheDtype: TypeAlias = Literal["auto", "float32", "bfloat16", "int8"]
Kernels: TypeAlias = Literal["auto", "native", "torch"]
Attention: TypeAlias = Literal["auto", "triton", "flash", "whole"]
Speculate: TypeAlias = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which model, where and how it runs.

    Attributes:
        source: a folder, a Hub id, or "starter" for the bundled model.
        name: under which it is served; None takes the folder's or the Hub's.
        device: "auto" takes a GPU where there is one.
        dtype: "auto" takes the fastest that costs little (`exec.kernel_choice`); "int8" is for
            kernels of our own, "int6" and "int4" for the CPU's, "fp8" for a GPU's.
        cache_dtype: what the CPU's kernels keep keys and values in; "auto" takes int8 beside
            matrices of whole numbers (`exec.kernel_choice`), and what others are kept in.
        speculation: whether tokens are drafted and verified; "auto" does so where the text
            cannot change by it, on the native kernels.
        kernels: what computes: "auto" takes our own where they can be had.
        attention: what attends on a GPU while tokens are generated; "auto" takes our own, "whole"
            makes all of a step one launch.
        fim_family: an infill family's name, "none", or None to recognise it.
        max_context: prompt and generated tokens of one request; None takes the model's.
        max_infill: tokens of an infill prompt; None takes on a CPU what it computes in about half
            a second (`exec.cold_prompt`), elsewhere what the context holds.
        max_memory_mb: megabytes that the whole process must stay under, with all its models; on a
            GPU what it takes of the GPU's memory; None bounds keys and values only.
        memory_share: which part of the memory that is left the model may take (`serve.load`).
        memory_taken: bytes that the process and other models take; None measures the process.
        num_threads: threads of the CPU's products; None takes one per physical core.
    """

    source: str = "starter"
    name: str | None = None
    device: Device = "auto"
    dtype: Dtype = "auto"
    cache_dtype: CacheDtype = "auto"
    kernels: Kernels = "auto"
    attention: Attention = "auto"
    speculation: Speculate = "auto"
    fim_family: str | None = None
    max_context: int | None = None
    max_infill: int | None = None
    max_memory_mb: int | None = None
    memory_share: float = 1.0
    memory_taken: int | None = None
    num_threads: int | None = None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Socket, key, ready file, end of life.

    Attributes:
        host: address to listen on.
        port: 0 takes a free one.
        api_key_file: file that holds the key; None makes one unless `MIDFILL_API_KEY` is set.
        no_auth: serve without a key; on loopback only.
        allow_origins: origins of web pages that may talk to the engine.
        ready_file: written when requests are accepted.
        exit_when_unused_s: end that long after the last lease closed; None stays.
        first_lease_s: how long a new engine waits for its first lease then.
        shutdown_s: how long running replies may take to end after a signal.
        keep_alive_s: how long an idle connection stays open; over the time after which clients
            drop theirs (httpx 5 s), so that none sends a request into a closing connection.
    """

    host: str = "127.0.0.1"
    port: int = 8793
    api_key_file: Path | None = None
    no_auth: bool = False
    allow_origins: tuple[str, ...] = ()
    ready_file: Path | None = None
    exit_when_unused_s: float | None = None
    first_lease_s: float = 60.0
    shutdown_s: int = 2
    keep_alive_s: int = 75


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request and of all of them.

    Attributes:
        max_concurrent: requests waiting and running at once.
        max_body_bytes: of one request's body.
        max_stops: stop texts of `/infill`, `/completion` and `/v1/completions`, where editors send
            more than the four of OpenAI.
        max_stops_tgi: stop texts of the TGI and chat routes, as those services have it.
        max_best_of: samples of one prompt that TGI's routes take.
        max_top_n_tokens: alternatives at each place that TGI's routes tell.
        max_session_chars: length of a session's name.
        max_draft_chars: length of `/infill`'s draft.
        max_draft_tokens: of them that many are used.
        max_new_tokens: `/generate` where the request does not say.
        pro_max_new_tokens: the PRO routes where the request does not say.
        infill_max_new_tokens: `/infill` where the request does not say.
        completion_max_tokens: `/v1/completions` where the request does not say.
        max_prompts: prompts of one completions request.
        max_choices: answers to one chat question or prompt (`n`, `n_cmpl`).
        max_top_logprobs: likeliest tokens told beside each token of a chat answer.
        recent_results: replies that the PRO routes remember.
        recent_bytes: of all of them together.
        sse_keep_alive_s: a stream of TGI's or OpenAI's routes that is silent for so long sends a
            comment; as TGI.
        max_load_wait_s: how long a request may wait for a model that is being loaded.
        inline_chars: texts longer than this are tokenised off the event loop; 4,000 characters
            take 1 to 3 ms.
    """

    max_concurrent: int = 128
    max_body_bytes: int = 2_000_000
    max_stops: int = 16
    max_stops_tgi: int = 4
    max_best_of: int = 2
    max_top_n_tokens: int = 5
    max_session_chars: int = 512
    max_draft_chars: int = 16_384
    max_draft_tokens: int = 2_048
    max_new_tokens: int = 1024
    pro_max_new_tokens: int = 20
    infill_max_new_tokens: int = 128
    completion_max_tokens: int = 16
    max_prompts: int = 16
    max_choices: int = 8
    max_top_logprobs: int = 20
    recent_results: int = 64
    recent_bytes: int = 16_000_000
    sse_keep_alive_s: float = 15.0
    max_load_wait_s: float = 600.0
    inline_chars: int = 4_096


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything that can be set."""

    model: ModelConfig = field(default_factory=ModelConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    limits: Limits = field(default_factory=Limits)
    others: tuple[ModelConfig, ...] = ()


def version() -> str:
    """The version of the installed distribution."""
    return metadata.version("midfill")
