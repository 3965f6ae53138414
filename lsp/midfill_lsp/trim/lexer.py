"""A rough lexer: strings, comments and brackets. Pure; called by the rules that count them.

It knows no grammar. A wrong guess costs one suggestion, and where a parser is at hand `context`
asks that one too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Literal

_BRACKET = r"\(|\)|\[|\]|\{|\}"  # not a set: only then `re` skips to the next token at once
# A string that the text ends in is still being written; so is an escape at the end of it.
_DOUBLE = r'"(?:\\.|[^"\\\n])*(?:"|\\?\Z)'
_SINGLE = r"'(?:\\.|[^'\\\n])*(?:'|\\?\Z)"
_TRIPLE = r'"""(?:\\.|[^\\])*?(?:"""|\\?\Z)'
_TRIPLE_SINGLE = _TRIPLE.replace('"', "'")
_BACKTICK = r"`(?:\\.|[^`\\])*(?:`|\\?\Z)"
_RAW_BACKTICK = r"`[^`]*(?:`|\Z)"
_RAW = r'R(?<!\wR)"(\w*)\(.*?(?:\)\1"|\Z)'
_BLOCK = r"/\*.*?(?:\*/|\Z)"
_LINE = r"//[^\n]*"
_LINE_OR_URL = r"//(?<![:(]//)[^\n]*"  # behind these it is no comment, but half of an address
_HASH = r"#[^\n]*"
_HASH_APART = r"#(?<!\S#)(?!\{)[^\n]*"  # it begins none in `$#`, `${#a}` and `#{a}`
_DASHES = r"--[^\n]*"
_LONG = (  # Lua's comments and strings of several lines
    r"--\[(?P<dashed>=*)\[.*?(?:\](?P=dashed)\]|\Z)|\[(?P<long>=*)\[.*?(?:\](?P=long)\]|\Z)"
)
# In Rust a quote starts a lifetime more often than a character; one may still be written.
_RUST_RAW = r'r(?<!\wr)(#*)".*?(?:"\1|\Z)'
_RUST_CHAR = r"'(?:\\[^\n']+|[^'\\\n])(?:'|\Z)"
# Where no operand stands, a slash begins a regular expression and divides nothing. The slash comes
# first, so that `re` skips to it; of a line full of such beginnings each is looked at, not far.
_REGEX = (
    r"/(?:(?<=[(,=:\[!&|?{;]/)|(?<=[(,=:\[!&|?{;] /)|(?<==> /)|(?<=\breturn /)"
    r"|(?<=\n/)|(?<=[ \t\n][ \t]/))"
    r"(?![*/])(?:\\[^\n]|\[(?:\\[^\n]|[^\]\\\n]){0,100}\]|[^/\\\[\n]){1,200}/"
)
_HOLE = re.compile(r"\\.|\$\{", re.DOTALL)
_IN_HOLE = re.compile(r"""\\.|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\$\{|[{}]""", re.DOTALL)
PROSE = frozenset({"markdown", "mdx", "plaintext", "latex", "restructuredtext", "text"})
_TAGGED = frozenset({"html", "xml", "vue", "svelte"})
_STRINGS = rf"{_DOUBLE}|{_SINGLE}"
# Of a shell's string that goes on below nothing is known, with a backslash there or without.
_TRIPLES = rf"{_TRIPLE}|{_TRIPLE_SINGLE}|" + _STRINGS.replace(r"\\.", r"\\[^\n]")
_C = rf"{_TRIPLE}|{_STRINGS}|{_BLOCK}|{_LINE}"
_SCRIPT = rf"{_C}|{_BACKTICK}|{_REGEX}"
# What strings and comments look like, by languages. Of one that is not here, only strings are
# known: what was no comment would hide brackets, and what was no backtick all that follows.
_TOKENS = {
    "python starlark bzl gdscript": rf"{_TRIPLES}|{_HASH}",
    "ruby elixir julia nim perl r crystal coffeescript tcl awk shellscript sh bash zsh fish"
    " powershell ps1 yaml yaml.docker-compose dockercompose github-actions-workflow toml ini"
    " properties ignore gitignore nginx caddyfile graphql dockerfile makefile make cmake just": (
        rf"{_TRIPLES}|{_HASH_APART}"
    ),
    "nix": rf"{_STRINGS}|{_HASH_APART}|{_BLOCK}",
    "terraform terraform-vars hcl": rf"{_STRINGS}|{_HASH_APART}|{_BLOCK}|{_LINE}",
    "lua luau": rf"{_LONG}|{_STRINGS}|{_DASHES}",
    "haskell purescript elm ada vhdl": rf"{_STRINGS}|{_DASHES}",
    "sql plsql mysql": rf"{_STRINGS}|{_DASHES}|{_BLOCK}",
    "css": rf"{_STRINGS}|{_BLOCK}",
    "scss less sass stylus": rf"{_STRINGS}|{_BLOCK}|{_LINE_OR_URL}",
    "rust": rf"{_RUST_RAW}|{_DOUBLE}|{_RUST_CHAR}|{_BLOCK}|{_LINE}",
    "c cpp c++ cuda cuda-cpp objective-c objective-cpp objc objcpp": rf"{_RAW}|{_C}",
    "java kotlin scala groovy csharp cs fsharp swift dart php proto proto3 thrift solidity glsl"
    " hlsl wgsl zig d haxe verilog systemverilog prisma bicep json jsonc json5"
    " jsonnet cue gomod": _C,
    "javascript javascriptreact jsx typescript typescriptreact tsx astro qml": _SCRIPT,
    "go": rf"{_C}|{_RAW_BACKTICK}",
    " ".join((*_TAGGED, *PROSE)): _SCRIPT,
}
WINDOW_CHARS = 4_000  # each way; 12,000 took 8 ms on dense code, on the event loop
Ending = Literal["code", "string", "text", "comment"]
"""`text` is a string or comment of several lines, such as a docstring."""

_TEXTS = {
    **{'"""': '"""', "'''": "'''", "/*": "*/", "`": "`"},
    **{"--[[": "]]", "--[=[": "]=]", "--[==[": "]==]", "[[": "]]", "[=[": "]=]", "[==[": "]==]"},
    **{'R"(': ')"', 'r"': '"', 'r#"': '"#', 'r##"': '"##'},
}
_QUOTES = frozenset({'"', "'"})
# By what ends a text, the languages whose `${...}` in it holds code.
_HOLES = {
    "`": {"javascript", "javascriptreact", "jsx", "typescript", "typescriptreact", "tsx", "astro"}
    | {"qml", "vue", "svelte"},
    '"': {"shellscript", "sh", "bash", "zsh", "kotlin", "dart", "groovy", "terraform", "hcl"},
}
_APOSTROPHES = PROSE | _TAGGED | {"javascriptreact", "typescriptreact"}


def tokens(text: str, language_id: str) -> Iterator[re.Match[str]]:
    """Yield the strings, comments, brackets and escaped characters of a text."""
    return _pattern(language_id).finditer(text)


def near(prefix: str) -> str:
    """Return the end of the prefix, from a place that is likely not inside a docstring."""
    if len(prefix) <= WINDOW_CHARS:
        return prefix
    start = prefix.find("\n", len(prefix) - WINDOW_CHARS) + 1
    for quotes in ('"""', "'''"):
        if prefix.count(quotes, 0, start) % 2:
            start = max(start, prefix.find(quotes, start) + len(quotes))
    return prefix[start:]


def last_token(prefix: str, language_id: str) -> str:
    """Return the token that reaches to the end of the prefix, "" if none does."""
    text = near(prefix)
    token, end = "", 0
    for match in tokens(text, language_id):
        token, end = match[0], match.end()
    return token if end == len(text) else ""


def ending_of(token: str) -> Ending:
    """Return what a text ends in whose last token this is."""
    if _text_closer(token):
        return "text"
    if token.startswith(("#", "//", "--")):
        return "comment"
    return "string" if token[:1] in _QUOTES and not _is_closed(token) else "code"


def closer_of(token: str) -> str | None:
    """Return what would end a string, or a comment of several lines; None if it is over."""
    return token[0] if ending_of(token) == "string" else _text_closer(token)


def opener_of(token: str) -> str:
    """Return what of a string or a comment tells where it ends: all of one on a single line."""
    return next((opener for opener in _TEXTS if token.startswith(opener)), token)


def text_closer(prefix: str, language_id: str) -> str | None:
    """Return what would end the string or comment of several lines that the prefix ends in."""
    return _text_closer(last_token(prefix, language_id))


def end_of(opener: str, text: str, language_id: str, is_whole: bool = True) -> int | None:
    """Return where `text` ends the string or comment that `opener` begins, None if it does not.

    None too for a whole text that ends in another of the same kind. A quote in a hole of a template
    ends nothing: there it begins another.
    """
    whole, closer = opener + text, closer_of(opener)
    begun = next(tokens(whole, language_id), None)
    if closer is None or begun is None or begun.start() or closer_of(begun[0]) is not None:
        return None
    if is_whole and closer_of(last_token(whole, language_id)) == closer:
        return None
    end, depth = begun.end(), hole_depth(begun[0], closer, language_id)
    while depth:
        begin, end = end, whole.find(closer, end) + len(closer)
        if end < begin:
            return None
        depth = hole_depth(whole[begin:end], closer, language_id, depth)
    return max(0, end - len(closer) - len(opener))


def hole_depth(text: str, closer: str, language_id: str, depth: int = 0) -> int:
    """Return how many braces are open behind `text` in the holes of a template, `${...}`.

    Args:
        text: of a template, or of a string that is none.
        closer: what ends it.
        language_id: as the editor names it.
        depth: that of what stands before `text`.
    """
    if language_id not in _HOLES.get(closer, ()):
        return 0
    offset = 0
    while match := (_IN_HOLE if depth else _HOLE).search(text, offset):
        offset = match.end()
        depth += {"${": 1, "{": 1, "}": -1}.get(match[0], 0)
    return depth


def leaves_room(head: str, quote: str, language_id: str) -> bool:
    """Whether a quote behind the line's `head` closes what that left open.

    That is the string around the cursor, or quotes of the other kind inside of it. Where a quote
    may be an apostrophe or a lifetime, or begins nothing that is known here, as a backtick often
    does, an odd number of them on the line is enough.
    """
    is_loose = language_id in _APOSTROPHES or (language_id == "rust" and quote == "'")
    is_loose = is_loose or quote not in _pattern(language_id).pattern
    if is_loose and head.count(quote) % 2 == 1:
        return True
    token = last_token(head, language_id)
    closer = closer_of(token) or ""
    return closer.startswith(quote) if quote in closer else token.count(quote) % 2 == 1


def is_regex(token: str) -> bool:
    """Whether a token is a regular expression between slashes."""
    return token.startswith("/") and not token.startswith(("//", "/*"))


def _text_closer(token: str) -> str | None:
    for opener, closer in _TEXTS.items():
        if token.startswith(opener):
            is_open = len(token) < len(opener + closer) or not token.endswith(closer)
            return closer if is_open else None
    return None


def _is_closed(token: str) -> bool:
    inner = token[1:-1]
    num_escapes = len(inner) - len(inner.rstrip("\\"))
    return len(token) > 1 and token[-1] == token[0] and num_escapes % 2 == 0


@functools.lru_cache(maxsize=64)
def _pattern(language_id: str) -> re.Pattern[str]:
    known = (source for names, source in _TOKENS.items() if language_id in names.split())
    # An escape outside of strings too: a quote whose string has no end is looked at once only.
    return re.compile(rf"{next(known, _STRINGS)}|{_BRACKET}|\\[^\n]", re.DOTALL)
