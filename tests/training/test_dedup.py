"""Near duplicates, and the overlap with held-out files."""

import pickle

from training.dedup import Duplicates, HeldOutLines, line_set, sketch

LINES = [f"    total_{i} = combine(first_{i}, second_{i})" for i in range(100)]


def test_line_sets_ignore_spaces_and_short_lines() -> None:
    assert line_set("if x:\n    return  value\n\treturn value\n") == {"return value"}


def test_a_file_is_a_duplicate_however_its_lines_are_indented_or_ordered() -> None:
    duplicates = Duplicates()
    assert not duplicates.seen(sketch("\n".join(LINES)))
    assert duplicates.seen(sketch("\n".join(line.lstrip() for line in reversed(LINES))))


def test_a_file_with_a_few_lines_changed_is_a_near_duplicate() -> None:
    duplicates = Duplicates()
    assert not duplicates.seen(sketch("\n".join(LINES)))
    assert duplicates.seen(sketch("\n".join([*LINES[5:], "a_line_of_its_own()"])))


def test_a_file_that_shares_a_third_of_its_lines_is_kept() -> None:
    duplicates = Duplicates()
    other = [line.replace("combine", "subtract") for line in LINES[33:]]
    assert not duplicates.seen(sketch("\n".join(LINES)))
    assert not duplicates.seen(sketch("\n".join(LINES[:33] + other)))


def test_a_sketch_is_the_same_after_a_trip_through_another_process() -> None:
    duplicates = Duplicates()
    assert not duplicates.seen(
        pickle.loads(pickle.dumps(sketch("\n".join(LINES))))
    )  # our own bytes
    assert duplicates.seen(sketch("\n".join(LINES[3:])))


def test_a_fifth_of_long_lines_from_held_out_files_is_too_much() -> None:
    held_out = HeldOutLines(["\n".join(LINES)])
    own = [line.replace("total", "amount") for line in LINES]
    assert held_out.overlaps("\n".join(own[:79] + LINES[:21]))
    assert not held_out.overlaps("\n".join(own[:80] + LINES[:20]))


def test_one_line_of_a_short_file_is_not_too_much() -> None:
    assert not HeldOutLines(["\n".join(LINES)]).overlaps(LINES[0])
