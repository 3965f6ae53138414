"""Several prompts of one request, each with its samples. Used by `openai` and `llama`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from midfill_engine.runtime.request import Finished, GenerationRequest, TokenEvent
from midfill_engine.serve.merged import merged
from midfill_engine.serve.samples import Samples, check_fit
from midfill_engine.serve.served import Served


class Batch:
    """Submitted prompts; `close` must be called, it aborts what has not finished.

    Attributes:
        samples: of each prompt.
    """

    def __init__(
        self,
        served: Served,
        requests: Sequence[GenerationRequest],
        num_samples: int,
        *,
        dialect: str,
        started_at: float,
        is_whole: bool = False,
    ) -> None:
        """Submit all or none; raises as `Samples` does."""
        assert requests, "the dialect must check"
        check_fit(served, len(requests), num_samples)
        self.samples: list[Samples] = []
        try:
            for request in requests:
                samples = Samples(
                    served,
                    request,
                    num_samples,
                    dialect=dialect,
                    started_at=started_at,
                    is_whole=is_whole,
                )
                self.samples.append(samples)
        except BaseException:
            self.close()
            raise

    @property
    def request_id(self) -> str:
        """The first one's, for the log."""
        return self.samples[0].request_id

    @property
    def has_more(self) -> bool:
        """Whether more text, or an end, is there by now."""
        return any(samples.has_more for samples in self.samples)

    async def results(self) -> None:
        """Wait for every end; raises as `Samples.results` does."""
        for samples in self.samples:
            await samples.results()

    async def events(self) -> AsyncIterator[tuple[int, int, TokenEvent | Finished]]:
        """Every event as it comes, with the prompt's index and the sample's."""
        async for idx, (number, event) in merged([one.events() for one in self.samples]):
            yield idx, number, event

    def close(self) -> None:
        """Abort what has not finished; later calls do nothing."""
        for samples in self.samples:
            samples.close()
