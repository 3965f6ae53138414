"""Definitions and imports of all languages, as `context` gets them."""

from __future__ import annotations

import pytest

from midfill_lsp.syntax import definitions, imports
from tests.lsp.syntax.parsing import parsed

PYTHON = '''import os, a.b as c
from .x import (y, z as w)
LIMIT: int = 3
first, second = 1, 2
@dec(1)
class A(B):
    """Doc."""
    n: int = 0
    @property
    def f(self, é: str = "ü") -> int:
        return 1
    async def g(self): pass
if TYPE_CHECKING:
    from m import late
    def h(): ...
f = lambda x: x
'''
JAVASCRIPT = """import a, {b as c, d} from './m';
const fs = require("fs"); const {x, y: z} = require('./q');
export const go = async (a, b) => { return 1 };
export default class K extends L { #p = 1; static m(a) { } get v() { return 1 } }
function* gen(x) {}
"""
TYPESCRIPT = """import type { T } from "t"; import * as ns from './ns';
export interface I<T> { a: string; f(x: number): void }
type U = A | B;
export abstract class K<T> implements I { private readonly x: number = 1; m<T>(a: T): void { } }
namespace N { export function f(): void {} }
declare function ff(a: string): number;
"""
GO = """package m
import ("fmt"; q "a/b")
type S struct { A int }
func (s *S) M(a int) (int, error) { return 1, nil }
const ( A = iota; B )
func G[T any](x T) T { return x }
"""
RUST = """use std::{fmt, io::Read as R}; use a::b; extern crate foo;
pub struct S<'a> { x: &'a str }
impl<'a> S<'a> { pub fn n(x: &'a str) -> Self { S { x } } }
trait T { fn f(&self) -> i32; }
mod m { pub const X: i32 = 1; }
"""
C = """#ifndef H
#define H
#include <stdio.h>
#include "a/b.h"
#define M(a) ((a)+1)
typedef struct { int b; } t;
static int *f(int a, char **b);
int main(void) { return 0; }
int x = 3;
#endif
"""
CPP = """#include <vector>
namespace n { template <typename T> class A : public B { public: A(int x); ~A(); int m_; }; }
int n::A::q(int a) { return 1; }
using V = std::vector<int>;
"""
JAVA = """import java.util.*; import static a.B.c;
@X public class K<T> extends L { private int a = 1; @Override public <U> void f(U b) throws E { } }
record R(int a) {}
"""


@pytest.mark.parametrize(
    ("language_id", "text", "expected"),
    [
        (
            "python",
            PYTHON,
            [
                ("variable", "LIMIT", "", "LIMIT: int = 3"),
                ("class", "A", "", "@dec(1) class A(B)"),
                ("variable", "n", "A", "n: int = 0"),
                ("function", "f", "A", '@property def f(self, é: str = "ü") -> int'),
                ("function", "g", "A", "async def g(self)"),
                ("function", "h", "", "def h()"),
                ("function", "f", "", "f = lambda x"),
            ],
        ),
        (
            "javascript",
            JAVASCRIPT,
            [
                ("variable", "fs", "", 'const fs = require("fs")'),
                ("function", "go", "", "export const go = async (a, b)"),
                ("class", "K", "", "export default class K extends L"),
                ("variable", "#p", "K", "#p = 1"),
                ("function", "m", "K", "static m(a)"),
                ("function", "v", "K", "get v()"),
                ("function", "gen", "", "function* gen(x)"),
            ],
        ),
        (
            "typescript",
            TYPESCRIPT,
            [
                ("type", "I", "", "export interface I<T> { a: string; f(x: number): void }"),
                ("type", "U", "", "type U = A | B"),
                ("class", "K", "", "export abstract class K<T> implements I"),
                ("variable", "x", "K", "private readonly x: number = 1"),
                ("function", "m", "K", "m<T>(a: T): void"),
                ("module", "N", "", "namespace N"),
                ("function", "f", "N", "export function f(): void"),
                ("function", "ff", "", "declare function ff(a: string): number"),
            ],
        ),
        (
            "typescriptreact",
            "export const C = (p: P) => { return <b>{p.x}</b> }",
            [("function", "C", "", "export const C = (p: P)")],
        ),
        (
            "go",
            GO,
            [
                ("type", "S", "", "type S struct { A int }"),
                ("function", "M", "", "func (s *S) M(a int) (int, error)"),
                ("variable", "A", "", "A = iota"),
                ("variable", "B", "", "B"),
                ("function", "G", "", "func G[T any](x T) T"),
            ],
        ),
        (
            "rust",
            RUST,
            [
                ("type", "S", "", "pub struct S<'a> { x: &'a str }"),
                ("class", "S<'a>", "", "impl<'a> S<'a>"),
                ("function", "n", "S<'a>", "pub fn n(x: &'a str) -> Self"),
                ("class", "T", "", "trait T"),
                ("function", "f", "T", "fn f(&self) -> i32"),
                ("module", "m", "", "mod m"),
                ("variable", "X", "m", "pub const X: i32 = 1"),
            ],
        ),
        (
            "c",
            C,
            [
                ("macro", "H", "", "#define H"),
                ("macro", "M", "", "#define M(a) ((a)+1)"),
                ("type", "t", "", "typedef struct { int b; } t"),
                ("function", "f", "", "static int *f(int a, char **b)"),
                ("function", "main", "", "int main(void)"),
                ("variable", "x", "", "int x = 3"),
            ],
        ),
        (
            "cpp",
            CPP,
            [
                ("module", "n", "", "namespace n"),
                ("class", "A", "n", "template <typename T> class A : public B"),
                ("function", "A", "n.A", "A(int x)"),
                ("function", "~A", "n.A", "~A()"),
                ("variable", "m_", "n.A", "int m_"),
                ("function", "n::A::q", "", "int n::A::q(int a)"),
                ("type", "V", "", "using V = std::vector<int>"),
            ],
        ),
        (
            "java",
            JAVA,
            [
                ("class", "K", "", "@X public class K<T> extends L"),
                ("variable", "a", "K", "private int a = 1"),
                ("function", "f", "K", "@Override public <U> void f(U b) throws E"),
                ("class", "R", "", "record R(int a)"),
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else "",
)
def test_definitions(language_id: str, text: str, expected: list[tuple[str, ...]]) -> None:
    found = definitions(parsed(language_id, text))
    assert [(one.kind, one.name, one.container, one.signature) for one in found] == expected
    for one in found:
        assert one.name in text[one.start : one.end]
        assert one.body_start is None or one.start < one.body_start < one.end


@pytest.mark.parametrize(
    ("language_id", "text", "expected"),
    [
        (
            "python",
            PYTHON,
            [("os", ("os",)), ("a.b", ("c",)), (".x", ("y", "w")), ("m", ("late",))],
        ),
        (
            "javascript",
            JAVASCRIPT,
            [("./m", ("a", "c", "d")), ("fs", ("fs",)), ("./q", ("x", "y", "z"))],
        ),
        ("typescript", TYPESCRIPT, [("t", ("T",)), ("./ns", ("ns",))]),
        ("javascript", "export * from './k';export {a} from 'l'", [("./k", ()), ("l", ("a",))]),
        ("go", GO, [("fmt", ("fmt",)), ("a/b", ("q",))]),
        ("rust", RUST, [("std", ("fmt", "R")), ("a", ("b",)), ("foo", ("foo",))]),
        ("c", C, [("stdio.h", ()), ("a/b.h", ())]),
        ("cpp", CPP, [("vector", ())]),
        ("java", JAVA, [("java.util", ()), ("a.B.c", ("c",))]),
    ],
)  # fmt: skip
def test_imports(language_id: str, text: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert [(one.module, one.names) for one in imports(parsed(language_id, text))] == expected


def test_a_long_type_is_told_by_its_head() -> None:
    members = "".join(f"  member_{idx}: string;\n" for idx in range(40))
    (one,) = definitions(parsed("typescript", f"interface Big {{\n{members}}}\n"))
    assert one.signature == "interface Big"


def test_broken_text_still_has_an_outline() -> None:
    text = "def f(a):\n    return a +\n\nclass A:\n    def g(self):\n        x = (\n"
    assert [one.name for one in definitions(parsed("python", text))][:1] == ["f"]
