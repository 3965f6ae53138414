"""How a shell's scripts write secrets, as expressions whose group `value` is one. Pure.

A script assigns values, hands them to commands, and writes them into other files (`echo`, a
here-document), in the form that those have. Called by `secret_forms`.
"""

from __future__ import annotations

from typing import Final

from midfill_lsp.context.secret_looks import VALUE

_WORD: Final = r"""(?P<value>(?!\[)(?:[^\s"'`;(){}<>$|&\\]|\\.){4,})"""
ASSIGNED: Final = rf":?=(?![/@,!][\w.-]{{1,60}}=[^\s=]){_WORD}"
"""Behind a name. What begins another name belongs to `sed 's/PASSWORD=/PASSWORD=letmein/'`."""
DEFAULT: Final = rf":?[-+][\"']?(?!-){_WORD}"
"""Behind `${` and a name, as in `${PASSWORD:-letmein}`."""
_IS: Final = r"(?:=>|[!=]?=|:)"
_NOT_OF_SED: Final = r"""(?!\.[*+]|[^\s/]{1,3}/['"g])"""  # s/password: .*/password: new/
WRITTEN: Final = (
    rf"[\"'`]?\]?(?:[ \t]{{1,5}}{_IS}[ \t]{{0,20}}|{_IS}[ \t]{{1,20}})"
    rf"{_NOT_OF_SED}{VALUE}"
)
"""Behind a name. A blank beside the sign says that it is no assignment of the shell's own."""
OPENSSL: Final = rf"-pass(?:in|out)?[ ]{{1,5}}[\"']?pass:{VALUE}"

# Of two numbers, as in `-u 1000:1000`, neither is a password.
LOGIN: Final = (
    rf"(?:-u|--user)[ =]?[\"']?(?!\d{{1,5}}:\d{{1,5}}(?![^\s\"']))[\w.@+-]{{1,60}}:{VALUE}"
)
_ARGUMENT: Final = r"""(?:"[^"]{0,1000}"|'[^']{0,1000}'|\\.|X+(?!X)|&(?!&))\s*(?!\s)""".replace(
    "X", r"""[^|;&"'\s\\]"""
)
CURL: Final = (
    r"curl(?:\.exe|\w{0,40})[\"'}\])]{0,2}(?:\s+(?!\s)|\s{0,5}[:=]\s{0,5}[\"'(\[]{0,2})"
    rf"(?:{_ARGUMENT}){{0,100}}?(?<![\w-]){LOGIN}"
)
"""A call, or a variable that is called so: `${CURL} -u a:b`, `CURL_OPTS="-u a:b"`."""
