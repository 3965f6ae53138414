"""Statuses and headers, as tables."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from midfill_lsp.backend.rejection import Asked, message_of, parse_retry_after, withheld
from midfill_lsp.backend.stops import StopText

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "a\n b"}, "a b"),
        ({"error": {"message": "a"}}, "a"),
        ({"error": {"code": 1}}, None),
        ({"error": ["a", 1, "b"]}, "a; b"),
        ({"message": "a"}, "a"),
        ({"detail": "a"}, "a"),
        ({"detail": [{"msg": "a", "input": "users' code"}]}, "a"),
        ({"detail": [{"loc": ["body", "n"], "msg": "a"}, {"msg": "b"}]}, "body.n: a; b"),
        (
            # https://github.com/cline/cline/issues/582
            {"object": "error", "message": {"detail": [{"loc": ["body", "x"], "msg": "No"}]}},
            "body.x: No",
        ),
        ({"error": [[[[[["too deep"]]]]]]}, None),
        ({"error": ""}, None),
        ([], None),
        (None, None),
        ({"error": "x" * 999}, "x" * 299 + "…"),
    ],
)
def test_messages(body: object, message: str | None) -> None:
    assert message_of(body) == message


def test_messages_that_quote_the_request() -> None:
    code = ("def secret_function():\n    pass\n", "x")
    asked = Asked("model", "the key", "", sent=code, secret="hf_token")
    assert withheld(None, asked) is None
    assert withheld("all is lost", asked) == "all is lost"
    quoting = "near 'def secret_function():'"
    assert withheld(quoting, asked) == "its message repeats the request"
    assert withheld("bad hf_token given", asked) == "its message repeats the key"
    assert "secret" not in repr(asked)
    assert "hf_token" not in repr(asked)


@pytest.mark.parametrize(
    ("stops", "deltas", "text", "is_stopped"),
    [
        (("\n",), ["a", "b\nc"], "ab", True),
        (("<EOT>",), ["a<", "EO", "T", ">b"], "a", True),
        (("<EOT>",), ["a<", "EO"], "a<EO", False),
        ((" <EOT>", "<EOT>"), ["a <E", "OT>"], "a", True),
        (("xyz", "y"), ["xy", "z"], "x", True),
        ((), ["a", "b"], "ab", False),
    ],
)
def test_stop_texts(stops: tuple[str, ...], deltas: list[str], text: str, is_stopped: bool) -> None:
    stop_text = StopText(stops)
    shown = "".join(stop_text.feed(delta) for delta in deltas)
    assert shown + stop_text.flush() == text
    assert stop_text.is_stopped is is_stopped
    assert stop_text.feed("more") == "" if is_stopped else True
