"""Several samples of one prompt, in one batch: TGI's `best_of`, OpenAI's `n`.

The prompt is computed once, and the others copy it. Sample i of seed s is what a request with the
seed s + i gives. Used by the dialects; knows none of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from midfill_engine.runtime.request import Finished, GenerationRequest, TokenEvent
from midfill_engine.serve.generation import Generation
from midfill_engine.serve.merged import merged
from midfill_engine.serve.parse import invalid
from midfill_engine.serve.served import Served

_U64 = 2**64 - 1


class Samples:
    """Submitted samples; `close` must be called, it aborts those that have not finished.

    Attributes:
        generations: one per sample, at least one.
    """

    def __init__(
        self,
        served: Served,
        request: GenerationRequest,
        num_samples: int,
        *,
        dialect: str,
        started_at: float,
        is_whole: bool = False,
    ) -> None:
        """Submit all or none; must run on the event loop.

        `is_whole`: as in `Generation`.

        Raises:
            ValidationError: a token is none of the model's, or even alone they are too many.
            Overloaded: so many more would be too many at once.
            EngineDied: nothing can be answered any more.
        """
        assert num_samples > 0, "the dialect must check"
        check_fit(served, 1, num_samples)
        self.generations: list[Generation] = []
        try:
            for idx in range(num_samples):
                generation = Generation(
                    served,
                    _sample_request(request, idx),
                    dialect=dialect,
                    started_at=started_at,
                    after=self.generations[0] if idx else None,
                    is_whole=is_whole,
                )
                self.generations.append(generation)
        except BaseException:
            self.close()
            raise

    @property
    def request_id(self) -> str:
        """The first one's, for the log."""
        return self.generations[0].request_id

    @property
    def has_more(self) -> bool:
        """Whether more text, or an end, is there by now."""
        return any(generation.has_more for generation in self.generations)

    async def results(self) -> list[Finished]:
        """Wait for every end.

        Raises:
            GenerationFailed: the engine could not finish one of them.
            IncompleteGeneration: the engine is shutting down.
        """
        return [await generation.result() for generation in self.generations]

    async def events(self) -> AsyncIterator[tuple[int, TokenEvent | Finished]]:
        """Every sample's events as they come, each with the sample's index."""
        async for idx, event in merged([one.events() for one in self.generations]):
            yield idx, event

    def close(self) -> None:
        """Abort what has not finished; later calls do nothing."""
        for generation in self.generations:
            generation.close()


def check_fit(served: Served, num_prompts: int, num_samples: int) -> None:
    """Raise ValidationError if so many run on no engine of this size, however idle it is."""
    most = served.limits.max_concurrent
    if num_prompts * num_samples > most:
        raise invalid(
            f"prompts x samples must be <= {most}, the requests that this engine takes at once. "
            f"Given: {num_prompts} x {num_samples}; ask for fewer, or start the engine with a "
            "higher --max-concurrent"
        )


def _sample_request(request: GenerationRequest, idx: int) -> GenerationRequest:
    """The request of one sample; only the first scores the prompt and belongs to the session."""
    if idx == 0:
        return request
    sampling = replace(request.sampling, seed=(request.sampling.seed + idx) & _U64)
    return replace(
        request,
        sampling=sampling,
        prompt_logprobs=False,
        session=None,
        ends_with=request.superseded_by,
    )
