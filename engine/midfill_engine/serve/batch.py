"""Several prompts of one request, each with its samples. Used by `openai`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from midfill_engine.runtime.request import Finished, GenerationRequest, TokenEvent
from midfill_engine.serve.samples import Samples
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
    ) -> None:
        """Submit all or none; raises as `Samples` does."""
        assert requests, "the dialect must check"
        self.samples: list[Samples] = []
        try:
            for request in requests:
                self.samples.append(
                    Samples(served, request, num_samples, dialect=dialect, started_at=started_at)
                )
        except BaseException:
            self.close()
            raise

    @property
    def request_id(self) -> str:
        """The first one's, for the log."""
        return self.samples[0].request_id

    async def results(self) -> None:
        """Wait for every end; raises as `Samples.results` does."""
        for samples in self.samples:
            await samples.results()

    async def events(self) -> AsyncIterator[tuple[int, int, TokenEvent | Finished]]:
        """Every event as it comes, with the prompt's index and the sample's."""
        queue: asyncio.Queue[tuple[int, int, TokenEvent | Finished]] = asyncio.Queue()

        async def pass_on(idx: int, samples: Samples) -> None:
            async for number, event in samples.events():
                queue.put_nowait((idx, number, event))

        tasks = [
            asyncio.ensure_future(pass_on(idx, samples)) for idx, samples in enumerate(self.samples)
        ]
        try:
            num_left = sum(len(samples.generations) for samples in self.samples)
            while num_left:
                idx, number, event = await queue.get()
                num_left -= isinstance(event, Finished)
                yield idx, number, event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Abort what has not finished; later calls do nothing."""
        for samples in self.samples:
            samples.close()
