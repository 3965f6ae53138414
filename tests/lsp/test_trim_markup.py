"""Tags around the cursor: closed once, and told from what only looks like them."""

from __future__ import annotations

import pytest

from tests.lsp.trimming import trimmed

SCRIPT = '<script setup lang="ts">\n{}\n</script>\n\n<template>\n  <b/>\n</template>\n'


@pytest.mark.parametrize(
    ("language_id", "document", "written", "inserted"),
    [
        ("html", '<p class="main">Hello █ and welcome</p>\n', "World</p>\n", "World"),
        ("html", "<p>a <b>█</b> c</p>\n", "x</b> y</p>\n", "x"),
        ("html", "<p>a <b>█</b> c</p>\n", "x</b> and <b>y\n", "x</b> and <b>y"),
        ("html", "<p>█ and more</p>\n", "<i>some</i> text</p>\n", "<i>some</i> text"),
        ("html", "<a █>x</a>\n", 'href="b">y</a>\n', 'href="b"'),
        ("html", '<a id="c" █>x</a>\n', 'href="b">y</a>\n', 'href="b"'),
        ("html", '<a href="b"█a>c\n', ">y</\n", ">y</"),
        ("html", '<a id=█">\n', '"b" name="c">\n', '"b" name="c'),
        ("html", "<a █>x</a>\n", 'title="a > b"\n', 'title="a > b"'),
        ("html", "<p>█</b>\n", "x</p>\n", "x</p>"),
        ("html", "<script █></script>\n", 'src="a"></script>\n', 'src="a"'),
        ("html", '<button onclick="█">\n', "a.map(i => i.b())\n", "a.map(i => i.b())"),
        ("html", '<div x-data="{ go: █ }">\n', "() => 1\n", "() => 1"),
        ("xml", '<a b="█">\n', "x > y\n", "x > y"),
        ("vue", '<button @click="█">Go</button>\n', "() => emit(1)\n", "() => emit(1)"),
        ("vue", '<b v-if="█">Go</b>\n', "items.length > 0\n", "items.length > 0"),
        ("svelte", "<button on:click={█}>\n", "() => count += 1\n", "() => count += 1"),
        ("svelte", "<button █>\n", "on:click={() => a += 1}\n", "on:click={() => a += 1}"),
    ],
)
def test_an_element_is_closed_once(
    language_id: str, document: str, written: str, inserted: str
) -> None:
    assert trimmed(language_id, document, written).text == inserted


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("if (a < █ && xs.every(x => x)) {}", "b.filter(x => 1).length"),
        ("if (a <b && █ > c) {}", "b.filter(x => 1).length"),
        ("const x = ref<█>(null)", "(() => void) | null"),
        ("const x: Map<string, █> = y", "() => void"),
        ("defineProps<{ a: string, b: █ }>()", "(x: number) => void"),
    ],
)
def test_a_script_has_no_tags(line: str, written: str) -> None:
    assert trimmed("vue", SCRIPT.replace("{}", line), written + "\n").text == written
