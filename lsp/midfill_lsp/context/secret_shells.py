"""How a shell's scripts write secrets, as expressions whose group `value` is one. Pure.

A script assigns values, hands them to commands, and writes them into other files (`echo`, a
here-document), in the form that those have. Called by `secret_forms`.
"""

from __future__ import annotations

from typing import Final

from midfill_lsp.context.secret_looks import VALUE
from midfill_lsp.named_values import NAMES

_WORD: Final = r"""(?P<value>(?!\[)(?:[^\s"'`;(){}<>$|&\\]|\\.){4,})"""
ASSIGNED: Final = rf"\]?[:+]?=(?![/@,!][\w.-]{{1,60}}=[^\s=]){_WORD}"
"""Behind a name. What begins another name belongs to `sed 's/PASSWORD=/PASSWORD=letmein/'`."""
_NAMED: Final = rf"[\w.-]{{0,60}}?(?P<name>{NAMES})\w{{0,30}}="
_UP_TO_ITS_QUOTE: Final = (
    r"(?!\\?[\"'])"
    r"(?P<value>(?:(?!(?P=quote)|[&;,][ ]?[A-Za-z][\w.-]{2,60}=)(?:BLANK[^\\]|\\.)){4,})"
    r"(?=(?P=quote)|[&;,\s]|\\?\Z)"
)
IN_QUOTES: Final = (
    r"(?<![\w-])(?:-e|--env|--set(?:-string)?|--from-literal|--build-arg|@?set|setx|export|ENV|echo)"
    r"[ =]{1,3}"
    rf"(?P<quote>[\"']){_NAMED}{_UP_TO_ITS_QUOTE.replace('BLANK', '')}"
)
"""An assignment whose quote stands before its name, `-e "PASSWORD=let me in"`: up to that quote."""
BEHIND_QUOTE: Final = rf"(?P<quote>[\"'])-{{0,2}}{_NAMED}" + _UP_TO_ITS_QUOTE.replace(
    "BLANK", r"(?=\S)"
)
"""Any such, as `sh -c "PASSWORD=letmein make"`, whose quotes hold a command: up to a blank."""
WITHIN_QUOTES: Final = (
    r"(?P<quote>[\"'])(?:(?!(?P=quote))(?:[^\\]|\\.)){1,200}?(?<=[&;,?\s-])"
    rf"{_NAMED}" + _UP_TO_ITS_QUOTE.replace("BLANK", r"(?=\S)")
)
"""One further on in such a text, as in `'user=anna&password=letmein'`: up to a blank."""
ALONE: Final = (
    r"\A\s*(?:(?:@?set|setx|export|ENV|ARG|env|local|readonly)[ \t]+)?"
    rf"{_NAMED}(?![/@,!][\w.-]{{1,60}}=[^\s=])(?P<value>[^\s\"'\\`]{{4,}})\s*\Z"
)
"""A line of nothing else, maybe of a here-document or of a batch file: up to its end."""
LOOSE: Final = rf"(?<![\w.-]){_NAMED}(?P<value>[^\s\"'\\`<>]{{4,}})"
"""Any assignment, up to a blank: for what no shell would read so, but a here-document does."""
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
