"""Nothing that a template does builds a text, list or number beyond the bound."""

from __future__ import annotations

import tracemalloc

import pytest

from midfill_engine.errors import TemplateError
from midfill_engine.text.chat_template import ChatTemplate

VARIABLES = (
    "{% set s = 'a' * 20000 %}{% set big = 'b' * 1000000 %}{% set many = [big] * 1000 %}"
    "{% set ns = namespace(s='aaaaaaaa', n=3) %}"
)


@pytest.mark.parametrize(
    "expression",
    [
        "'x' | center(10 ** 8)",
        "['x'] | map('center', 10 ** 8) | list",
        "'x\ny' | indent(10 ** 8)",
        "s | replace('a', '\n') | indent(big)",
        "s | wordwrap(1, true, big)",
        "'%100000000d' | format(1)",
        "'%(())100000000d' % {'()': 1}",
        "'%*d' % (10 ** 8, 1)",
        "'%.*f' % (10 ** 8, 1)",
        "'%(a)s' * 100 % {'a': big}",
        "'{:>100000000}'.format(1)",
        "'{:.100000000f}'.format(1)",
        "'{:{}}'.format(1, 10 ** 8)",
        "('{0}' * 100).format(big)",
        "'{0!r}'.format(many)",
        "'{a:>100000000}'.format_map({'a': 1})",
        "('{:>100000000}' | safe).format(1)",
        "s.replace('a', s)",
        "s.replace('', s)",
        "s | replace('a', s)",
        "s.join(s)",
        "s | join(s)",
        "many | join",
        "''.join(many)",
        "'x'.zfill(10 ** 8)",
        "(s | replace('a', '\t')).expandtabs(10 ** 5)",
        "s | list | batch(10 ** 8, 0) | list",
        "s | slice(10 ** 8) | list",
        "([big | list] * 100) | sum(start=[])",
        "s | list | tojson(indent=10 ** 4)",
        "s | list | tojson(separators=(big, ':'))",
        "many | tojson",
        "many | string",
        "many ~ ''",
        "'%s' % many",
        "many | upper",
        "[ns] | string",
        "('<' * 4000000) | e",
        "('%' * 4000000) | urlencode",
        "(2 ** 90000) * (2 ** 90000)",
        "('f' * 100000) | int(base=16)",
        "7 | round(-(10 ** 9))",
        "many is upper",
        "'%100000000d' is odd",
        "['%100000000d'] | select('divisibleby', 1) | list",
        "[].index(many)",
        "{}[many].x",
        "s.translate({97: s})",
        "s.encode() * 10 ** 8",
        "(1).to_bytes(10 ** 8, 'big')",
        "raise_exception(many)",
        "strftime_now('%Y' * 1000000)",
    ],
)
def test_no_operation_builds_more_than_the_bound(expression: str) -> None:
    """Only operators and padding were bounded: filters and other methods built 100 MB each."""
    words = r"builds (over|a number)|width of \*|a namespace is no text|is unsafe"
    with pytest.raises(TemplateError, match=words):
        ChatTemplate(f"{VARIABLES}{{{{ ({expression}) | length }}}}").render({})


@pytest.mark.parametrize(
    "source",
    [
        "{% set x %}{% for i in range(9999) %}{{ s }}{% endfor %}{% endset %}",
        "{% macro f() %}{% for c in s %}{{ s }}{% endfor %}{% endmacro %}{{ f() | length }}",
        "{% set x %}{{ many }}{% endset %}",
        "{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] | string %}{% endfor %}",
        "{% for i in range(99) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
        "{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{% set ns.alters_data = true %}{% set ns.s = many %}{{ ns() }}",
    ],
)
def test_nothing_grows_beyond_the_bound(source: str) -> None:
    with pytest.raises(TemplateError, match=r"builds over|builds a number|cannot be called"):
        ChatTemplate(VARIABLES + source).render({})


def test_nothing_is_built_while_a_template_is_compiled() -> None:
    """Jinja folds filters of constants, where no deadline and no bound holds."""
    tracemalloc.start()
    try:
        ChatTemplate("{{ 'x' | center(4000000) }}" * 10)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
