"""Decides from installed metadata whether a distribution may be trained on.

Knows licence names only, not files. Called by ``training.corpus``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

PERMISSIVE = frozenset(
    """mit mit-0 mit-cmu isc bsd bsd-2-clause bsd-3-clause 0bsd apache-2.0 psf psf-2.0 python-2.0
    hpnd""".split()
)
"""SPDX identifiers, in lower case, that the gate lets through."""

CLASSIFIERS = {
    "mit license": "mit",
    "mit no attribution license (mit-0)": "mit-0",
    "bsd license": "bsd",
    "apache software license": "apache-2.0",
    "isc license (iscl)": "isc",
    "python software foundation license": "psf-2.0",
    "historical permission notice and disclaimer (hpnd)": "hpnd",
}

FIELDS = (
    (re.compile(r"(the )?mit( licen[sc]e)?( \(mit\))?"), "mit"),
    (re.compile(r"(new |modified |simplified )?bsd([ -][23][ -]clause)?( licen[sc]e)?"), "bsd"),
    (re.compile(r"bsd[ -]?[23]?[ -]clause( licen[sc]e)?"), "bsd"),
    (re.compile(r"[23][ -]clause bsd( licen[sc]e)?"), "bsd"),
    (re.compile(r"apache([ -]software)?( licen[sc]e)?,?[ -]*(version |v)?2(\.0)?"), "apache-2.0"),
    (re.compile(r"isc( licen[sc]e)?( \(iscl\))?"), "isc"),
    (re.compile(r"(psf|python software foundation)([ -]2\.0)?( licen[sc]e)?"), "psf-2.0"),
)
"""Spellings of the free ``License`` field that are met in practice; all else is refused."""


class Metadata(Protocol):
    """The part of ``importlib.metadata.PackageMetadata`` that is read here."""

    def __getitem__(self, key: str, /) -> str: ...
    def __contains__(self, item: str, /) -> bool: ...
    def get_all(self, name: str, failobj: None = None) -> list[str] | None: ...


def permissive(metadata: Metadata) -> str | None:
    """Returns the permissive licence that ``metadata`` names, or None.

    The first source present decides: ``License-Expression``, the licence classifiers (all of
    which must be permissive), the ``License`` field.
    """
    expression = metadata["License-Expression"] if "License-Expression" in metadata else ""
    if expression:
        return expression if expression_permissive(expression) else None
    classifiers = licence_classifiers(metadata.get_all("Classifier") or ())
    if classifiers:
        names = [CLASSIFIERS.get(name) for name in classifiers]
        known = [name for name in names if name]
        return " AND ".join(sorted(set(known))) if len(known) == len(names) else None
    return field_licence(metadata["License"] if "License" in metadata else "")


def expression_permissive(expression: str) -> bool:
    """Whether an SPDX expression can be met by permissive licences alone.

    With parentheses every licence in it must be permissive, which is stricter than SPDX asks.
    """
    text = expression.lower()
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


def as_metadata(fields: Mapping[str, str | list[str]]) -> Metadata:
    """Wraps a plain mapping, for tests and for the standard library's made-up entry."""
    return _Fields(fields)


class _Fields:
    def __init__(self, fields: Mapping[str, str | list[str]]) -> None:
        self._fields = fields

    def __getitem__(self, key: str, /) -> str:
        value = self._fields[key]
        return value if isinstance(value, str) else value[0]

    def __contains__(self, item: str, /) -> bool:
        return item in self._fields

    def get_all(self, name: str, failobj: None = None) -> list[str] | None:
        value = self._fields.get(name)
        return [value] if isinstance(value, str) else value
