"""What `bench/engine.py` compares: the engine and transformers' `generate`.

The engine on its own kernels and on torch, with and without drafts; llama.cpp stands in
`bench.llama`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, cast

import torch

from midfill_engine.exec.runner import Runner
from midfill_engine.model.shapes import slot_bytes
from midfill_engine.model.spec import ModelSpec
from midfill_engine.runtime.loop import EngineLoop
from midfill_engine.runtime.request import Event, Finished, GenerationRequest, TokenEvent
from midfill_engine.text.tokenizer import Tokenizer


@dataclass(slots=True)
class Trace:
    """Tokens of one completion and the seconds at which each was there, from its start.

    Attributes:
        computed: prompt tokens that had to be computed.
    """

    computed: int
    begin: float = field(default_factory=time.perf_counter)
    tokens: list[int] = field(default_factory=list[int])
    seconds: list[float] = field(default_factory=list[float])

    def add(self, token: int) -> None:
        """Notes a token at the moment of the call."""
        self.tokens.append(token)
        self.seconds.append(time.perf_counter() - self.begin)


@dataclass(frozen=True, slots=True)
class Setup:
    """What all contenders are given.

    Attributes:
        folder: the model.
        context: tokens of a sequence.
        num_slots: sequences at once.
        threads: of every step; None as the engine chooses.
    """

    folder: Path
    context: int
    num_slots: int
    threads: int | None

    def runner(self, dtype: str, kernels: str) -> Runner:
        """Returns the model, loaded, with at least `num_slots` slots."""
        # Reckoned for the widest cache; a narrower one gets more slots, which cost address space.
        slot = slot_bytes(ModelSpec.from_folder(self.folder), self.context, item_bytes=4)
        return Runner.load(
            str(self.folder), device="cpu", dtype=dtype, kernels=kernels,
            max_total_tokens=self.context, cache_bytes=self.num_slots * slot,
            num_threads=self.threads,
        )  # fmt: skip


class Contender(Protocol):
    """One implementation in one dtype."""

    name: str

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Returns `count` greedy tokens after `prompt`.

        The prompt's first `known` tokens are computed before the clock starts, where the contender
        can keep them.
        """
        ...

    def crowd(self, prompts: Sequence[Sequence[int]], count: int, known: int) -> float:
        """Returns the seconds in which all prompts, asked at once, got `count` tokens each.

        `known` as for `complete`.
        """
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


class Midfill:
    """The engine's thread with everything on it but HTTP: queue, cache, steps, text."""

    kernels = "native"
    label = "midfill"
    speculate = False

    def __init__(self, setup: Setup, dtype: str) -> None:
        """Loads the model."""
        self.name = f"{self.label} {dtype}"
        self._loop = EngineLoop(
            setup.runner(dtype, self.kernels),
            Tokenizer.load(setup.folder),
            speculate=self.speculate,
        )
        self._loop.start()

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """The known part of the prompt is warmed up."""
        if known:
            self._gather([GenerationRequest(tuple(prompt[:known]), 0, session="bench")])
        request = GenerationRequest(
            tuple(prompt),
            count,
            session="bench" if known else None,
            cache_prompt=known > 0,
        )
        (trace,) = self._gather([request])
        return trace

    def crowd(self, prompts: Sequence[Sequence[int]], count: int, known: int) -> float:
        """As many requests as prompts, each with a session of its own, submitted together."""
        sessions = [f"bench {idx}" if known else None for idx in range(len(prompts))]
        both = list(zip(prompts, sessions, strict=True))
        if known:
            self._gather([GenerationRequest(tuple(each[:known]), 0, session=s) for each, s in both])
        requests = [
            GenerationRequest(tuple(each), count, session=session, cache_prompt=known > 0)
            for each, session in both
        ]
        begin = time.perf_counter()
        self._gather(requests)
        return time.perf_counter() - begin

    def close(self) -> None:
        """Ends the engine's thread."""
        self._loop.close()

    def _gather(self, requests: Sequence[GenerationRequest]) -> list[Trace]:
        """Returns the traces of requests that run together.

        Raises:
            RuntimeError: one of them failed.
        """
        inbox: SimpleQueue[tuple[Trace, float, Event]] = SimpleQueue()
        traces = [Trace(computed=0) for _ in requests]
        for request, trace in zip(requests, traces, strict=True):
            trace.begin = time.perf_counter()
            self._loop.submit(request, _Sink(trace, inbox))
        num_open = len(traces)
        while num_open:
            trace, at, event = inbox.get()
            if isinstance(event, TokenEvent):
                trace.tokens.append(event.token_id)
                trace.seconds.append(at - trace.begin)
            elif isinstance(event, Finished):
                num_open -= 1
                if event.reason != "length":
                    raise RuntimeError(f"{self.name} ended for {event.reason}: {event.error}")
                trace.computed = event.timings.prompt_tokens - event.timings.cached_tokens
        return traces


class _Sink:
    """Notes the moment of an event on the engine's thread, and hands it over."""

    def __init__(self, trace: Trace, inbox: SimpleQueue[tuple[Trace, float, Event]]) -> None:
        self._trace, self._inbox = trace, inbox

    def __call__(self, event: Event) -> None:
        self._inbox.put((self._trace, time.perf_counter(), event))


class MidfillDrafts(Midfill):
    """With speculation: drafts from the prompt."""

    label = "midfill+drafts"
    speculate = True


class MidfillTorch(Midfill):
    """On plain torch: what runs where there is no C++ compiler."""

    kernels = "torch"
    label = "midfill-torch"


class Transformers:
    """`generate` with SDPA attention; it keeps nothing between calls, so every prompt is cold."""

    def __init__(self, setup: Setup, dtype: str) -> None:
        """Loads the model; its caches grow as they must."""
        self.name = f"transformers {dtype}"
        import transformers  # late: it must not count as the engine's memory

        library = cast("Any", transformers)  # lazy exports, which type checkers cannot follow
        self._model = library.AutoModelForCausalLM.from_pretrained(
            setup.folder, dtype=dtype, attn_implementation="sdpa", local_files_only=True
        ).eval()
        # The model's end of text is ignored on both sides, so that both make as many tokens.
        self._model.generation_config.eos_token_id = None

    def complete(self, prompt: Sequence[int], count: int, known: int) -> Trace:
        """Computes the whole prompt."""
        del known
        trace = Trace(computed=len(prompt))
        self._generate([prompt], count, streamer=_Streamer(trace))
        return trace

    def crowd(self, prompts: Sequence[Sequence[int]], count: int, known: int) -> float:
        """One batch; the prompts are of one length, so that nothing is padded."""
        del known
        begin = time.perf_counter()
        self._generate(prompts, count)
        return time.perf_counter() - begin

    def close(self) -> None:
        """Nothing to give back."""

    def _generate(self, prompts: Sequence[Sequence[int]], count: int, **options: object) -> None:
        ids = torch.tensor([list(prompt) for prompt in prompts])
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            **options,
        )


class _Streamer:
    """Notes tokens as `generate` hands them out: first the prompt, then one by one."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self._trace.add(int(value.reshape(-1)[0]))
        self._prompt_seen = True

    def end(self) -> None:
        pass


KINDS: Mapping[str, Callable[[Setup, str], Contender]] = {
    "midfill": Midfill,
    "midfill+drafts": MidfillDrafts,
    "midfill-torch": MidfillTorch,
    "transformers": Transformers,
}
