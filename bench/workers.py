"""Hands requests to workers that take one at a time. Called by the benchmarks of quality."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

PROGRESS_EVERY = 100


def spread(workers: Sequence[Callable[[Task], Result]], tasks: Iterable[Task]) -> Generator[Result]:
    """Yields the results in the order of the tasks; counts them on stderr."""
    free: queue.SimpleQueue[Callable[[Task], Result]] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def one(task: Task) -> Result:
        worker = free.get()
        try:
            return worker(task)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(len(workers)) as pool:
        for num, result in enumerate(pool.map(one, tasks), start=1):
            if num % PROGRESS_EVERY == 0:
                print(f"{num} done", file=sys.stderr)
            yield result
