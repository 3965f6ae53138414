"""A model's template renders as in transformers, sees no Python, and ends."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from midfill_engine.errors import TemplateError
from midfill_engine.text import chat_template
from midfill_engine.text.chat_template import ChatTemplate

MESSAGES = [{"role": "user", "content": "<b>'é'"}, {"role": "assistant", "content": "yes"}]


def render(source: str, **variables: object) -> str:
    return ChatTemplate(source).render({"messages": MESSAGES, **variables})


FOR = "{% for m in messages %}"
END = "{% endfor %}"
NAMESPACE = "{% set ns = namespace(s='aaaaaaaa', n=0) %}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"{FOR}\n  {{% if loop.last %}}\n{{{{ m.content }}}}\n{{% endif %}}\n{END}", "yes\n"),
        ("{{ messages[0] | tojson }}", '{"role": "user", "content": "<b>\'é\'"}'),
        ("{{ [1] | tojson(indent=1) }}", "[\n 1\n]"),
        ("{% generation %}a{% set b = 1 %}{% endgeneration %}{{ b }}", "a1"),
        (
            f"{FOR}{{% if loop.first %}}{{% continue %}}{{% endif %}}{{{{ m.role }}}}{END}",
            "assistant",
        ),
        (f"{FOR}{{{{ loop.index }}}}/{{{{ loop.length }}}}{{% break %}}{END}", "1/2"),
        (NAMESPACE + FOR + "{% set ns.n = ns.n + 1 %}" + END + "{{ ns.n }}", "2"),
        ("{% macro f(x) %}[{{ x ~ 1 ~ 'b' }}]{% endmacro %}{{ f('a') }}", "[a1b]"),
        ("{% for x in none_such %}x{% else %}0{% endfor %}", "0"),
        ("{{ bos_token }}{{ messages | length }}{{ '%s' % 'x' }}", "<s>2x"),
        ("{{ 2 ** 3 * 2 }}{{ 'ab' * 2 }}{{ [1] + [2] }}", "16abab[1, 2]"),
        ("{{ messages[0]['content'].replace('b', 'c').split(\"'\")[1] | trim }}", "é"),
        ("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1"),
        ("{{ range(3) | list }}", "[0, 1, 2]"),
    ],
)
def test_renders(source: str, expected: str) -> None:
    assert render(source, bos_token="<s>") == expected


@pytest.mark.parametrize(
    "expression",
    [
        "'ab' | center(6)",
        "'a\\nb' | indent(2, true)",
        "'a\\nb' | indent('> ')",
        "'%05.1f of %s' | format(1.25, 'x')",
        "'100%% **%(a)s** in 2024' % {'a': 'x'}",
        "'%s: 50%%, **%r**' % (1, 'x')",
        "'{0:>4}|{a!r:<5}|{0:0{1}d}'.format(7, 3, a='x')",
        "'{a[b]}'.format_map({'a': {'b': 1}})",
        "('<{}>' | safe).format('<')",
        "'aXbX'.replace('X', '--') ~ 'aXbX'.replace('X', '-', 1)",
        "'aXbX' | replace('X', [1]) ~ 'ab' | replace('', '.')",
        "', '.join(['a', 'b']) ~ [1, none, 'c'] | join('|')",
        "', '.join(messages | map(attribute='role'))",
        "messages | join(', ', attribute='role')",
        "messages | map('length') | sum ~ messages | sum(attribute='n', start=1)",
        "'one two three' | wordwrap(7)",
        "'a\\tb'.expandtabs(4) ~ '7'.zfill(3) ~ 'a'.rjust(3) ~ 'a'.ljust(2, '.')",
        "[1, 2, 3] | batch(2, 0) | list ~ [1, 2, 3] | slice(2) | list",
        "messages | selectattr('role', 'in', ['user']) | list | string",
        "messages | groupby('role') ~ messages | map('upper') | first",
        "messages[::-1] | map(attribute='content') | reverse | list",
        "'<&>' | e ~ 'a b/\u00e9' | urlencode ~ ' x ' | trim | title",
        "messages.index(messages[1]) ~ 7 // 2 ~ 7 % 4 ~ 2 ** 64 * 3",
        "{'b': 1, 'a': 2} | dictsort ~ ({'a': 1}.items() | list) ~ none",
    ],
)
def test_what_is_bounded_renders_as_jinja_does(expression: str) -> None:
    messages = [{**message, "n": 2} for message in MESSAGES]
    environment = ImmutableSandboxedEnvironment()
    expected = environment.from_string(f"{{{{ {expression} }}}}").render(messages=messages)
    assert render(f"{{{{ {expression} }}}}", messages=messages) == expected


def test_date_of_today() -> None:
    assert len(render("{{ strftime_now('%Y-%m-%d') }}")) == 10


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ raise_exception('Roles  must\nalternate') }}", "Roles must alternate"),
        ("{{ messages[0].content.nothing.more }}", "nothing"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages[0].append }}{{ messages.append(1) }}", "immutable|not safely|unsafe"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ raise_exception.__globals__.keys() }}", "unsafe"),
        ("{% include 'x' %}", "loader"),
        ("{{ lipsum() }}", "undefined"),
    ],
)
def test_refuses(source: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as caught:
        render(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10 ** 10 }}",
        "{{ 10 ** 99999999 }}",
        "{{ 'a'.ljust(10 ** 10) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ [1] | tojson(indent=10 ** 10) }}",
        NAMESPACE + "{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        NAMESPACE + "{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
def test_size_is_bounded(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    ],
)
def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(chat_template, "MAX_SECONDS", 0.05)
    with pytest.raises(TemplateError, match=r"0\.05 s"):
        render(source)


@pytest.mark.parametrize("source", ["{% for %}", "{{ ", "{% endif %}", "{{ x | no_such_filter }}"])
def test_a_broken_template_is_refused_when_it_is_loaded(source: str) -> None:
    with pytest.raises(TemplateError):
        ChatTemplate(source)


def test_a_very_long_template_is_refused() -> None:
    with pytest.raises(TemplateError, match="1000000"):
        ChatTemplate("x" * 1_000_001)


def test_rendering_leaves_the_conversation_as_it_was() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "x"}]
    with pytest.raises(TemplateError):
        ChatTemplate("{% set _ = messages.pop() %}").render({"messages": messages})
    assert messages == [{"role": "user", "content": "x"}]
