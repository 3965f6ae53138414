"""Decides from installed metadata whether a distribution may be trained on.

Knows licence names only, not files. Called by ``training.sources`` and ``training.npm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

PERMISSIVE = frozenset(
    [
        "mit",
        "mit-0",
        "mit-cmu",
        "isc",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "0bsd",
        "apache-2.0",
        "psf",
        "psf-2.0",
        "python-2.0",
        "hpnd",
        "zlib",
        "bsl-1.0",
        "unlicense",
        "cc0-1.0",
        "blueoak-1.0.0",
    ]
)
"""SPDX identifiers, in lower case, that the gate lets through.

The last five ask for no more than MIT does: zlib, Boost (``bsl-1.0``), Blue Oak (which much of
npm's base moved to), and the dedications Unlicense and CC0.
"""

EXCEPTION = re.compile(r" with llvm-exception")
"""Gives more than Apache-2.0 alone does."""

CLASSIFIERS = {
    "mit license": "mit",
    "mit no attribution license (mit-0)": "mit-0",
    "bsd license": "bsd",
    "apache software license": "apache-2.0",
    "isc license (iscl)": "isc",
    "python software foundation license": "psf-2.0",
    "historical permission notice and disclaimer (hpnd)": "hpnd",
    "zlib/libpng license": "zlib",
    "boost software license 1.0 (bsl-1.0)": "bsl-1.0",
    "the unlicense (unlicense)": "unlicense",
    "cc0 1.0 universal (cc0 1.0) public domain dedication": "cc0-1.0",
}

FIELDS = (
    (re.compile(r"(the )?mit( licen[sc]e)?( \(mit\))?"), "mit"),
    (re.compile(r"(new |modified |simplified )?bsd([ -][23][ -]clause)?( licen[sc]e)?"), "bsd"),
    (re.compile(r"bsd[ -]?[23]?[ -]clause( licen[sc]e)?"), "bsd"),
    (re.compile(r"[23][ -]clause bsd( licen[sc]e)?"), "bsd"),
    (
        re.compile(r"apache([ -]software)?( licen[sc]e)?,?[ -]*(version |v)?2(\.0)?( licen[sc]e)?"),
        "apache-2.0",
    ),
    (re.compile(r"isc( licen[sc]e)?( \(iscl\))?"), "isc"),
    (re.compile(r"(psf|python software foundation)([ -]2\.0)?( licen[sc]e)?"), "psf-2.0"),
)
"""Spellings of the free ``License`` field that are met in practice; all else is refused."""


class Metadata(Protocol):
    """The part of ``importlib.metadata.PackageMetadata`` that is read here."""

    def get_all(self, name: str, failobj: None = None) -> list[str] | None:
        """Returns every value of a field, or None where it is absent."""
        ...


def permissive(metadata: Metadata) -> str | None:
    """Returns the permissive licence that ``metadata`` names, or None.

    The first source present decides: ``License-Expression``, the licence classifiers (all of
    which must be permissive), the ``License`` field.
    """
    expression = first(metadata, "License-Expression")
    if expression:
        return expression if expression_permissive(expression) else None
    classifiers = licence_classifiers(metadata.get_all("Classifier") or ())
    if classifiers:
        names = [CLASSIFIERS.get(name) for name in classifiers]
        known = [name for name in names if name]
        return " AND ".join(sorted(set(known))) if len(known) == len(names) else None
    return field_licence(first(metadata, "License"))


def npm_permissive(description: Mapping[str, object]) -> str | None:
    """Returns the permissive licence that a ``package.json`` names, or None.

    ``license`` decides; the old forms, an object or a list ``licenses`` (any of which may be
    chosen), are read as well.
    """
    field = description.get("license") or description.get("licenses")
    choices = cast("list[object]", field) if isinstance(field, list) else [field]
    for choice in choices:
        name = cast("dict[str, object]", choice).get("type") if isinstance(choice, dict) else choice
        if not isinstance(name, str):
            continue
        if expression_permissive(name):
            return name
        known = field_licence(name)
        if known:
            return known
    return None


def first(metadata: Metadata, name: str) -> str:
    """Returns the first value of a field, or an empty string."""
    values = metadata.get_all(name)
    return values[0] if values else ""


def expression_permissive(expression: str) -> bool:
    """Whether an SPDX expression can be met by permissive licences alone.

    With parentheses inside it every licence must be permissive, which is stricter than SPDX asks.
    """
    text = EXCEPTION.sub("", expression.strip().lower())
    if text.startswith("(") and text.find(")") == len(text) - 1:
        text = text[1:-1]
    if "(" in text:
        names = re.split(r"\s+(?:and|or)\s+", re.sub(r"[()]", " ", text))
        return all(name.strip() in PERMISSIVE for name in names)
    return any(
        all(name.strip() in PERMISSIVE for name in choice.split(" and "))
        for choice in text.split(" or ")
    )


def licence_classifiers(classifiers: Iterable[str]) -> list[str]:
    """Returns the last parts of the licence classifiers, in lower case."""
    parts = [c.split(" :: ") for c in classifiers if c.startswith("License ::")]
    return [p[-1].strip().lower() for p in parts if p[-1].strip() != "OSI Approved"]


def field_licence(field: str | None) -> str | None:
    """Returns the licence of a one-line ``License`` field, or None where it is unclear."""
    text = " ".join((field or "").strip().lower().split())
    if text in PERMISSIVE:
        return text
    if text.startswith("mit license copyright") or text.startswith("mit license permission"):
        return "mit"
    return next((name for pattern, name in FIELDS if pattern.fullmatch(text)), None)
