"""`GET /metrics` in Prometheus' text format, by TGI's names where TGI has one.

prometheus_client writes the text. It is imported at the first scrape: it takes 100 ms, which no
start should wait for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midfill_engine.metrics import Distribution, EngineLoad, RequestMetrics, StepMetrics
from midfill_engine.serve.registry import Models

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_Label = TypeVar("_Label", bound=str)
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TGI_COUNTER = re.compile(rb"(?m)^((?:# (?:HELP|TYPE) )?tgi_\w+?)_total(?=[ {])")
"""The library ends a counter's name in `_total`; TGI's have none."""


class MetricsRoute:
    """Tells of the models' engines and of all requests."""

    def __init__(self, models: Models) -> None:
        """Tell of these."""
        self._models = models

    def routes(self) -> list[Route]:
        """For the app."""
        return [Route("/metrics", self._metrics, methods=["GET"])]

    async def _metrics(self, request: Request) -> Response:
        del request
        models = self._models
        scrape = _Scrape(models.metrics, models.loads, models.steps)
        text = await asyncio.to_thread(scrape.text)
        return Response(text, media_type=_MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class _Scrape:
    """What is told at once; it knows no models, which come and go while the text is written."""

    requests: RequestMetrics
    loads: Sequence[EngineLoad]
    steps: StepMetrics

    def text(self) -> bytes:
        from prometheus_client.exposition import generate_latest

        return _TGI_COUNTER.sub(rb"\1", generate_latest(self))

    def collect(self) -> Iterator[Metric]:
        """What the library writes down."""
        yield from self._requests()
        yield from self._tokens()
        yield from self._engines()

    def _requests(self) -> Iterator[Metric]:
        requests = self.requests
        yield _counter("tgi_request_count", "Requests for text", requests.received)
        yield _counter("tgi_request_success", "Requests that were answered", requests.succeeded)
        failure = "Requests that failed, by cause"
        yield _counters("tgi_request_failure", failure, "err", requests.failed)
        for name, words, values in (
            ("duration", "Seconds from a request to the end of its reply", requests.total_s),
            ("validation_duration", "Seconds before it was queued", requests.validation_s),
            ("queue_duration", "Seconds in the queue", requests.queue_s),
            ("inference_duration", "Seconds of inference", requests.inference_s),
            ("mean_time_per_token_duration", "Seconds per generated token", requests.token_s),
        ):
            yield _histogram(f"tgi_request_{name}", words, {"": values})

    def _tokens(self) -> Iterator[Metric]:
        requests = self.requests
        for name, words, values in (
            ("input_length", "Tokens of a prompt", requests.prompt_tokens),
            ("max_new_tokens", "Tokens that a request could get", requests.max_new_tokens),
            ("generated_tokens", "Tokens that it got", requests.generated_tokens),
            ("skipped_tokens", "Drafted tokens that stood", requests.skipped_tokens),
        ):
            yield _histogram(f"tgi_request_{name}", words, {"": values})
        cached = "Tokens of prompts that were in the cache"
        yield _counter("midfill_cached_tokens", cached, requests.cached_tokens)

    def _engines(self) -> Iterator[Metric]:
        loads, steps = self.loads, self.steps
        for name, words, value in (
            ("queue_size", "Requests that wait for a slot", sum(x.num_waiting for x in loads)),
            ("batch_current_size", "Requests in a slot", sum(x.num_running for x in loads)),
            ("batch_current_max_tokens", "Their tokens at most", sum(x.max_tokens for x in loads)),
        ):
            yield _gauge(f"tgi_{name}", words, value)
        yield _counters("tgi_batch_inference_count", "Steps, by method", "method", steps.started)
        done = "Steps that succeeded, by method"
        yield _counters("tgi_batch_inference_success", done, "method", steps.succeeded)
        seconds = "Seconds of a step, by method"
        yield _histogram("tgi_batch_inference_duration", seconds, steps.durations, "method")


def _counter(name: str, words: str, value: float) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    return CounterMetricFamily(name, words, value=value)


def _counters(name: str, words: str, label: str, values: Mapping[_Label, int]) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily

    family = CounterMetricFamily(name, words, labels=[label])
    for value in tuple(values):  # another thread may add one
        family.add_metric([value], values[value])
    return family


def _gauge(name: str, words: str, value: float) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily

    return GaugeMetricFamily(name, words, value=value)


def _histogram(
    name: str, words: str, values: Mapping[_Label, Distribution], label: str | None = None
) -> Metric:
    """One histogram, or one per value of a label."""
    from prometheus_client.metrics_core import HistogramMetricFamily

    family = HistogramMetricFamily(name, words, labels=[] if label is None else [label])
    for value, found in values.items():
        family.add_metric([] if label is None else [value], found.cumulative(), found.total)
    return family
