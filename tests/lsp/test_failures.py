"""Each kind of failure is shown to the user once, until he has acted on it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from midfill_lsp import errors
from midfill_lsp.errors import BackendError, EngineGone, LeftAlone, Overloaded
from midfill_lsp.server.failures import Failures
from midfill_lsp.server.notices import Notices


def kinds(base: type[BackendError]) -> list[type[BackendError]]:
    """The class and all below it that `errors` names."""
    below = [kind for child in base.__subclasses__() for kind in kinds(child)]
    return [kind for kind in [base, *below] if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", kinds(BackendError))
def test_each_kind_is_shown_once_or_passes_by_itself(kind: type[BackendError]) -> None:
    shown: list[Any] = []
    server = SimpleNamespace(window_show_message=shown.append)
    failures = Failures(Notices(cast("Any", server)))
    for text in ("the first time", "the second"):
        failures.note(kind(text))
        failures.answered()
    told = ["Midfill: the first time"] if kind not in {BackendError, EngineGone, LeftAlone} else []
    assert [params.message for params in shown] == told
    failures.forget()
    failures.note(kind("after a change"))
    assert len(shown) == 2 * len(told)


def test_an_answer_that_was_asked_for_before_a_failure_says_nothing_of_it() -> None:
    failures = Failures(Notices(cast("Any", SimpleNamespace(window_show_message=print))))
    num_noted = failures.num_noted
    failures.note(Overloaded("no room", 60.0))
    failures.answered(num_noted)
    assert failures.cause == "Overloaded"
    with pytest.raises(LeftAlone):
        failures.check(explicit=True)
    failures.answered(failures.num_noted)
    failures.check(explicit=True)


def test_a_backend_that_fails_all_day() -> None:
    failures = Failures(Notices(cast("Any", SimpleNamespace(window_show_message=print))))
    for _ in range(2_000):
        failures.note(errors.Unreachable("no connection"))
    with pytest.raises(LeftAlone):
        failures.check(explicit=False)
    failures.check(explicit=True)
