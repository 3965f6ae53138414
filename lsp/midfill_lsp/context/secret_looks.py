"""Whether a value looks like a secret, by its characters alone. Pure.

For names that mostly name something else, as `token` and `sort_key` do, and for values without
quotes. Called by `secret_rules` and `secret_forms`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

MIN_RANDOM_CHARS: Final = 8
_MOST_CHARS = 400
_TEMPLATE = re.compile(r"[{}<>$\s]|%[(sd]")
_RUN = re.compile(r"[A-Za-z0-9]+")
_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
# Words with a number in their middle.
_WORDS = re.compile(
    r"oauth\d|sha\d{1,3}|md\d|base\d\d|utf\d{1,2}|ipv\d|x509|i18n|l10n|k8s|ed25519|v\d{1,3}",
    re.IGNORECASE,
)
_MIN_NUMBER_CHARS = 5  # so long no number stands behind a word, unless it is a date
_MIN_NUMBERS = 3
_PLAIN = re.compile(
    r"""
      (?: true | false | yes | no | on | off | none | null | nil | undefined | pwd | string ) \Z
    | [\w.]+ [(\[]      # a call, or an entry of something
    | [~.]{0,2} /       # a path
    | [$@%<{*:?]        # put in by something else
    """,
    re.VERBOSE | re.IGNORECASE,
)


def looks_random(value: str, least_chars: int = MIN_RANDOM_CHARS) -> bool:
    """Whether letters and digits are mixed as in no word: `a1b2c3d4`, but not `user_id2`.

    Args:
        value: without its quotes.
        least_chars: so many in a row have to be.
    """
    if len(value) < least_chars or _TEMPLATE.search(value, 0, _MOST_CHARS):
        return False
    runs = _RUN.findall(value, 0, _MOST_CHARS)
    return any(len(run) >= least_chars and _is_mixed(run) for run in runs)


def _is_mixed(run: str) -> bool:
    parts: list[str] = _PART.findall(_WORDS.sub("Word", run))
    numbers = [part for part in parts if part.isdigit()]
    if not numbers or len(numbers) == len(parts):
        return False
    goes_on = any(before.isdigit() and after.islower() for before, after in pairwise(parts))
    return (
        goes_on
        or len(numbers) >= _MIN_NUMBERS
        or any(len(number) >= _MIN_NUMBER_CHARS for number in numbers)
    )


def looks_plain(value: str) -> bool:
    """Whether a value without quotes is a path, a call, a template, or a word such as `true`."""
    return _PLAIN.match(value) is not None
