"""`midfill stats`: what became of suggestions, as counted on this machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from midfill_lsp.engine_process.state import ensure_dir
from midfill_lsp.errors import MidfillError
from midfill_lsp.statistics.store import NAME, Store
from midfill_lsp.statistics.tally import Key, Tally

_BLOCKS = " ▁▂▃▄▅▆▇█"
_DAYS = 30
_CHART_DAYS = 30
_FATES = ("kept", "mostly_kept", "gone")
_COLUMNS = ("language", "shown", "accepted", "in part", "kept", "mostly", "gone", "chars", "p50 ms")


class NotReset(MidfillError):
    """The counts cannot be removed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this subcommand's options."""
    parser.epilog = (
        "kept, mostly, gone: accepted text 30 s later. chars: typed by accepting. p50: half of the "
        "answers came within that. Nothing leaves this machine; statistics.enabled turns it off."
    )
    parser.add_argument(
        "--days", type=_days, metavar="N", help=f"default: {_DAYS}, with --json all"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, by day and language")
    parser.add_argument("--reset", action="store_true", help="forget everything")


def run(options: argparse.Namespace) -> int:
    """Print the counts of the last days, or forget them all."""
    path = ensure_dir() / NAME
    store = Store(path)
    if options.reset:
        try:
            store.reset()
        except TimeoutError as error:
            raise NotReset(f"{path} is locked by another process; try again") from error
        except OSError as error:
            raise NotReset(f"{path} cannot be removed: {error.strerror}") from error
        print(f"forgotten: {path}")
        return 0
    days: int = options.days or _DAYS
    tallies = store.read()
    if options.days or not options.json:
        first = date.fromordinal(max(1, date.today().toordinal() - days + 1)).isoformat()
        tallies = {key: tally for key, tally in tallies.items() if key.day >= first}
    if options.json:
        facts = [_facts(*item) for item in _sorted(tallies)]
        print(json.dumps({"days": options.days, "tallies": facts}))
    elif not tallies:
        print(f"nothing was suggested in the last {days} days ({path})")
    else:
        _print(tallies, days)
    return 0


def _days(text: str) -> int:
    try:
        days = int(text)
    except ValueError:
        days = 0
    if days < 1:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number of days")
    return days


def _sorted(tallies: Mapping[Key, Tally]) -> list[tuple[Key, Tally]]:
    return sorted(tallies.items(), key=lambda item: (item[0].day, item[0].language))


def _facts(key: Key, tally: Tally) -> dict[str, object]:
    return {
        "day": key.day,
        "language": key.language,
        **dict(tally.counts),
        "p50_ms": tally.percentile_ms(0.5),
        "p95_ms": tally.percentile_ms(0.95),
    }


def _print(tallies: Mapping[Key, Tally], days: int) -> None:
    by_language: dict[str, Tally] = {}
    total = Tally()
    for key, tally in tallies.items():
        by_language.setdefault(key.language, Tally()).add(tally)
        total.add(tally)
    by_use = sorted(by_language.items(), key=lambda item: -item[1].counts["shown"])
    rows = [_COLUMNS, *(_row(name, tally) for name, tally in by_use), _row("all", total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = row
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))
    p95 = total.percentile_ms(0.95)
    print(f"\nlast {days} days; 95 % of the answers came within {p95:g} ms" if p95 else "")
    chart, peak = draw(tallies, min(days, _CHART_DAYS), date.today())
    print(f"accepted a day  |{chart}|  {peak} at most")


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    counts = tally.counts
    judged = counts["kept"] + counts["mostly_kept"] + counts["gone"]
    p50 = tally.percentile_ms(0.5)
    return (
        name,
        f"{counts['shown']:,}",
        f"{counts['accepted']:,}{_share(counts['accepted'], counts['shown'])}",
        f"{counts['partly_accepted']:,}",
        *(f"{counts[fate]:,}{_share(counts[fate], judged)}" for fate in _FATES),
        f"{counts['accepted_chars']:,}",
        "" if p50 is None else f"{p50:g}",
    )


def _share(part: int, whole: int) -> str:
    return f" {part / whole:4.0%}" if whole else ""


def draw(tallies: Mapping[Key, Tally], days: int, last: date) -> tuple[str, int]:
    """Return a block for each of the days up to `last`, as high as suggestions were accepted.

    The number beside it is what the highest stands for.
    """
    wanted = [(last - timedelta(days=back)).isoformat() for back in reversed(range(days))]
    heights = [_accepted(tallies.items(), day) for day in wanted]
    peak = max(heights)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[-(-height * steps // peak) if peak else 0] for height in heights), peak


def _accepted(tallies: Iterable[tuple[Key, Tally]], day: str) -> int:
    return sum(tally.counts["accepted"] for key, tally in tallies if key.day == day)
