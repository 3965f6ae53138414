"""`midfill config`: the settings and where they come from, and changes of the user's file."""

from __future__ import annotations

import argparse
import json

from midfill_lsp.cli.main import UsageError
from midfill_lsp.cli.options import add_workspace_option, whole_model, workspace_of
from midfill_lsp.cli.terminal import say
from midfill_lsp.settings import edit
from midfill_lsp.settings.files import user_file
from midfill_lsp.settings.settle import Settled, known_settings
from midfill_lsp.settings.sources import Sources

_ACTIONS = {"show": 0, "path": 0, "check": 0, "set": 2, "unset": 1}
"""How many words each takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        "show prints every setting and where it comes from, as far as files say; path the user's "
        "file; check what is wrong, with status 1 if something is; set and unset change the "
        "user's file and keep its comments. Editors that run follow within seconds."
    )
    parser.add_argument("action", nargs="?", choices=tuple(_ACTIONS), default="show")
    parser.add_argument("words", nargs="*", metavar="KEY [VALUE]", help="for set and unset")
    parser.add_argument("--json", action="store_true", help="show prints JSON")
    add_workspace_option(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the action says, and return the exit status."""
    words: list[str] = options.words
    if len(words) != _ACTIONS[options.action]:
        wanted = ("no more words", "a KEY", "a KEY and a VALUE")[_ACTIONS[options.action]]
        raise UsageError(f"midfill config {options.action} takes {wanted}")
    if options.action == "path":
        print(user_file())
    elif options.action == "set":
        item = edit.find_setting(words[0])
        is_model = item.names == ("engine", "model")
        value = edit.set_value(user_file(), item, whole_model(words[1]) if is_model else words[1])
        print(f"{'.'.join(item.names)} = {json.dumps(value)} in {user_file()}")
    elif options.action == "unset":
        return _unset(words[0])
    else:
        sources = Sources()
        sources.set_folders([workspace_of(options)])
        settled = sources.settled()
        return _check(settled) if options.action == "check" else _show(settled, options.json)
    return 0


def _unset(key: str) -> int:
    item = edit.find_setting(key)
    name = ".".join(item.names)
    if not edit.unset(user_file(), item):
        print(f"{name} is not set in {user_file()}")
        return 1
    print(f"{name} is {json.dumps(item.default)} again, the default")
    return 0


def _check(settled: Settled) -> int:
    for problem in settled.problems:
        say(problem)
    return 1 if settled.problems else 0


def _show(settled: Settled, as_json: bool) -> int:
    told = {
        ".".join(item.names): {"value": settled.value(item), "from": settled.origin(item)}
        for item in known_settings().values()
    }
    if as_json:
        print(json.dumps({"settings": told, "problems": settled.problems}, indent=2))
        return 0
    width = max(map(len, told))
    for name, facts in told.items():
        origin = "" if facts["from"] == "default" else f"    # {facts['from']}"
        say(f"{name:{width}}  {json.dumps(facts['value'])}{origin}")
    for problem in settled.problems:
        say(f"! {problem}")
    return 0
