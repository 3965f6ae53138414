"""Ignore files: as git itself judges, and .midfillignore over it."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from midfill_lsp.context import git_rules, ignore
from midfill_lsp.context.git_rules import GitFailed, GitSettings
from midfill_lsp.context.ignore import IgnoreRules, mean, patterns_of
from midfill_lsp.context.pattern import pattern_of
from midfill_lsp.context.rule_files import UnknownRules

PATTERNS = [
    "*.log", "build/", "/top.py", "a/b", "!keep.log", "doc/**/*.txt", "**/cache", "x?y", "[ab].c",
    "\\#odd", "# a comment", "", "trailing ", "!build/", "**", "!*/", "!*.py", "/a/*", "!/a/b",
    "a/**/z.py",
]  # fmt: skip
FILES = [
    "top.py", "sub/top.py", "a/b/z.py", "a/b/c/z.py", "a/q.log", "keep.log", "build/out.py",
    "sub/build/keep.log", "doc/x/y.txt", "doc/y.txt", "cache/m.py", "a/cache", "xzy", "a.c",
    "#odd", "trailing", "sub/b.c", "sub/build.py",
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    for name in FILES:
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("", "utf-8")
    return top


@pytest.mark.parametrize("seed", range(40))
def test_agrees_with_git(repository: Path, seed: int) -> None:
    rng = random.Random(seed)
    for place in (".gitignore", "sub/.gitignore", "a/.gitignore", ".git/info/exclude"):
        chosen = rng.sample(PATTERNS, rng.randrange(5))
        (repository / place).write_text("\n".join(chosen) + "\n", "utf-8")
    rules = IgnoreRules()
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", *FILES],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    ignored = set(told.stdout.splitlines())
    ours = {name for name in FILES if rules.ignored_by(repository, repository / name)}
    assert ours == ignored


ODD = [
    # None of these is a pattern, or only a part of it is.
    "foo\\", "!", "\\", "!\\", "/", "//", "!/", "[z-a]", "[!z-a]", "[z-ab]", "[a", "[", "[]", "[!]",
    "[[:alpha:]", "[[:word:]]", "[a-\\", "foo/\\", "foo\\/", "!foo\\", "\\/foo", "a\\/b",
    # Blanks at the end, and line ends.
    "foo ", "foo\\ ", "foo\\  ", "foo\\\\ ", "foo\t", "foo\r", " foo", "foo\u2028a", "foo\x0ca",
    # Brackets, and stars without slashes around them.
    "[[:alpha:]]", "[![:digit:]_]", "[[:space:]]", "[[:punct:]-z]", "[]-]", "[^a]", "[\\]]",
    "[a\\-z]", "[--/]", "[a-c-e]", "[a&&b]", "a[/]b", "a**/b", "a**b", "*a**/b", "/**", "***",
    "**/b", "**\\/b", "a/**", "a/***/b", "\\!a", "\\a", "?", "a/?/b", "#a", "\\#a",
]  # fmt: skip
NAMES = [
    "foo", "foo ", "foo\\", "foo\\ ", "foo\t", " foo", "foo/a", "a", "b", "c", "d", "e", "z", "A",
    "1", "_", "-", "]", "[", "[a", "!a", "#a", "\\", "&", " ", "ab", "axb", "a/b", "a/x/b", "ax/b",
    "a-b", "xa/b", "x/a/b", "foo\u2028a", "foo\x0ca",
]  # fmt: skip


def ignored_in(top: Path, files: list[list[str]], names: list[str]) -> tuple[set[str], set[str]]:
    """Return what git leaves out in folders with one ignore file each, and what we do."""
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    for number, lines in enumerate(files):
        folder = top / str(number)
        folder.mkdir()
        (folder / ".gitignore").write_bytes("\n".join([*lines, ""]).encode())
    paths = [f"{number}/{name}" for number in range(len(files)) for name in names]
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=top,
        input="\0".join(paths),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    rules = IgnoreRules()
    ours = {path for path in paths if rules.ignored_by(top, top / path)}
    return set(told.stdout.split("\0")) - {""}, ours


def test_odd_lines_mean_what_they_do_to_git(tmp_path: Path) -> None:
    # Behind `*`, a line shows what it lets pass.
    files = [[line] for line in ODD] + [["*", f"!{line}"] for line in ODD]
    ignored, ours = ignored_in(tmp_path, files, NAMES)
    assert ignored
    assert ours == ignored


@pytest.mark.parametrize("seed", range(4))
def test_stars_mean_what_they_do_to_git(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    parts = ["a", "b", "a", "b", "*", "*", "**", "?", "[ab]", "/", "/", r"\/", "**/", r"**\/"]
    files = [["".join(rng.choices(parts, k=rng.randrange(2, 11)))] for _ in range(60)]
    names = ["/".join("".join(rng.choices("ab", k=rng.randrange(1, 6)))
                      for _ in range(rng.randrange(1, 6))) for _ in range(25)]  # fmt: skip
    ignored, ours = ignored_in(tmp_path, files, names)
    assert len(ignored) > 50
    assert ours == ignored


HOSTILE = [
    ("*a" * 13 + "*b", "a" * 120 + ".py"),
    ("*?a*[ab]" * 9 + "z", "ab" * 100),
    ("**/a/" * 13 + "b", "a/" * 120 + "c"),
    ("x/" + "**\\/a/" * 13 + "b", "x/" + "a/" * 120 + "c"),
    ("**/*a*a*a/" * 7 + "b", "aaaaaa/" * 100 + "c"),
]


@pytest.mark.parametrize(("line", "name"), HOSTILE)
def test_no_line_takes_for_ever(line: str, name: str) -> None:
    # Each star more took twenty times as long, and no other thread ran: the server stood still.
    pattern = pattern_of(line)
    assert pattern is not None
    assert not pattern.means(name, is_folder=False)
    assert pattern.means(f"{name[:-1]}{line[-1]}", is_folder=False)
    assert not mean(patterns_of((line,)), name)  # context.deny, which a workspace adds to


@pytest.mark.parametrize(
    ("lines", "name", "means"),
    [
        (("src/",), "src/deep/a.py", True),
        (("src/",), "src", False),
        (("*.log", "!*/"), "a.log", True),
        (("*", "!src/"), "src/a.py", False),
        (("src/", "!src/a.py"), "src/a.py", False),
        (("!src/a.py", "src/"), "src/a.py", True),
        (("# a comment", "", "a.*", "b.*"), "x/b.py", True),
        (("*a*b*c", "d"), "d", True),
    ],
)
def test_the_last_line_of_a_setting_decides(lines: tuple[str, ...], name: str, means: bool) -> None:
    assert mean(patterns_of(lines), name) == means


@pytest.mark.parametrize("name", [".gitignore", ".midfillignore"])
def test_a_link_holds_no_rules_as_to_git(tmp_path: Path, name: str) -> None:
    # A repository could apply any file, or `/dev/stdin`: the pipe that messages come through.
    top = tmp_path / "top"
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (tmp_path / "outside").write_text("*.py\n", "utf-8")
    os.mkfifo(tmp_path / "pipe")
    for target in ("outside", "pipe"):
        (top / name).symlink_to(tmp_path / target)
        assert IgnoreRules().ignored_by(top, top / "a.py") is None
        (top / name).unlink()


@pytest.mark.parametrize("place", [".gitignore", ".git/info/exclude", "lib/.git"])
def test_a_pipe_is_never_read(tmp_path: Path, place: str) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(UnknownRules, match=f"{file.name} is no plain file"):
        IgnoreRules().ignored_by(tmp_path, tmp_path / "lib/a.py")


def test_the_users_own_files_may_be_links_and_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "top"
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (tmp_path / "mine").write_text("mine.py\n", "utf-8")
    (top / ".git/info/exclude").unlink()
    (top / ".git/info/exclude").symlink_to(tmp_path / "mine")
    settings = tmp_path / "settings"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    settings.write_text("[core]\n\texcludesFile = /dev/null\n", "utf-8")
    rules = IgnoreRules()
    assert rules.ignored_by(top, top / "mine.py") == ".git/info/exclude"
    assert rules.ignored_by(top, top / "a.py") is None


def test_midfillignore_wins_in_its_folder_and_says_its_name(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.gen.py\n*.tmp\n", "utf-8")
    (tmp_path / ".midfillignore").write_text("!*.gen.py\nvendor/\n", "utf-8")
    rules = IgnoreRules()
    assert rules.ignored_by(tmp_path, tmp_path / "a.gen.py") is None
    assert rules.ignored_by(tmp_path, tmp_path / "a.tmp") == ".gitignore"
    assert rules.ignored_by(tmp_path, tmp_path / "vendor/deep/a.py") == ".midfillignore"
    assert rules.leaves_out(tmp_path, tmp_path / "vendor", is_folder=True)
    assert not rules.leaves_out(tmp_path, tmp_path / "vendor", is_folder=False)


def test_a_rule_holds_once_it_is_written(tmp_path: Path) -> None:
    rules = IgnoreRules()
    file = tmp_path / "a.py"
    assert rules.ignored_by(tmp_path, file) is None
    (tmp_path / ".midfillignore").write_text("a.py\n", "utf-8")
    assert rules.ignored_by(tmp_path, file) == ".midfillignore"
    (tmp_path / ".midfillignore").unlink()
    assert rules.ignored_by(tmp_path, file) is None


def test_a_work_tree_has_the_main_ones_exclude_file(tmp_path: Path) -> None:
    main, tree = tmp_path / "main", tmp_path / "tree"
    (main / ".git/worktrees/tree").mkdir(parents=True)
    (main / ".git/info").mkdir()
    (main / ".git/info/exclude").write_text("mine.py\n", "utf-8")
    (main / ".git/worktrees/tree/commondir").write_text("../..\n", "utf-8")
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {main}/.git/worktrees/tree\n", "utf-8")
    assert IgnoreRules().ignored_by(tree, tree / "mine.py") == ".git/info/exclude"


@pytest.mark.parametrize("setting", [None, "~/mine", "RELATIVE"])
def test_the_users_own_ignore_file_counts_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    home, top = tmp_path / "home", tmp_path / "top"
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    (home / ".config/git").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "settings"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    if setting is not None:
        written = "../home/mine" if setting == "RELATIVE" else setting
        (home / "settings").write_text(f"[core]\n\texcludesFile = {written}\n", "utf-8")
    file = home / ("mine" if setting else ".config/git/ignore")
    file.write_text("notes_*.py\n*.tmp\n", "utf-8")
    (top / ".gitignore").write_text("!keep.tmp\n", "utf-8")
    rules = IgnoreRules()
    assert rules.ignored_by(top, top / "src/notes_a.py") == "core.excludesFile"
    assert rules.ignored_by(top, top / "keep.tmp") is None
    assert rules.ignored_by(top, top / "a.tmp") == "core.excludesFile"


def test_a_repository_in_a_repository_has_its_own_exclude_file(tmp_path: Path) -> None:
    (tmp_path / "lib/.git/info").mkdir(parents=True)
    (tmp_path / "lib/.git/info/exclude").write_text("mine.py\n", "utf-8")
    rules = IgnoreRules()
    assert rules.ignored_by(tmp_path, tmp_path / "lib/src/mine.py") == ".git/info/exclude"
    assert rules.ignored_by(tmp_path, tmp_path / "mine.py") is None


@pytest.mark.parametrize("ignores_case", [True, False])
def test_case_matters_where_it_does_to_git(tmp_path: Path, ignores_case: bool) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    command = ["git", "-C", str(tmp_path), "config", "core.ignorecase", str(ignores_case).lower()]
    subprocess.run(command, check=True)
    (tmp_path / ".gitignore").write_text("Private/\n*.Key.py\n", "utf-8")
    rules = IgnoreRules()
    for name in ("private/a.py", "src/MY.KEY.PY"):
        assert (rules.ignored_by(tmp_path, tmp_path / name) is not None) == ignores_case


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(UnknownRules, match="gitignore is no plain file"):
        IgnoreRules().ignored_by(tmp_path, tmp_path / "a.py")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/.gitignore").write_bytes(b"a\n" * 600_000)
    with pytest.raises(UnknownRules, match="longer than"):
        IgnoreRules().ignored_by(tmp_path / "sub", tmp_path / "sub/a.py")


def refused(rules: IgnoreRules, top: Path) -> str:
    with pytest.raises(GitFailed) as failed:
        rules.ignored_by(top, top / "a.py")
    return str(failed.value)


@pytest.mark.parametrize(
    ("took_s", "ends"),
    [
        (2.0, ["next time", *(f"in {pause_s} s" for pause_s in (2, 4, 8, 16, 32, 60, 60))]),
        (0.01, [""] * 8),
    ],
)
def test_git_that_keeps_taking_its_time_to_fail_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took_s: float, ends: list[str]
) -> None:
    # A pipe among git's settings held each completion for 20 s.
    now, asked = [0.0], list[Path]()

    def fail(folder: Path) -> GitSettings:
        asked.append(folder)
        now[0] += took_s
        raise GitFailed("git says nothing")

    monkeypatch.setattr(ignore, "settings_of", fail)
    rules = IgnoreRules(lambda: now[0])
    for num_asked, end in enumerate(ends, 1):
        told = refused(rules, tmp_path)
        assert told == "git says nothing" + (f"; it is asked again {end}" if end else "")
        if end.startswith("in "):
            now[0] += float(end.split()[1]) - 0.1
            assert refused(rules, tmp_path) == told
            now[0] += 0.2
        assert len(asked) == num_asked


@pytest.mark.parametrize("num_at_once", [1, 3])
def test_git_that_is_slow_once_costs_one_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_at_once: int
) -> None:
    # Its cold start silenced a folder for a minute; keys at the same time are one failure.
    now, num_begun = [0.0], [0]
    rules = IgnoreRules(lambda: now[0])

    def fail(folder: Path) -> GitSettings:
        num_begun[0] += 1
        if num_begun[0] < num_at_once:
            assert refused(rules, tmp_path).endswith("; it is asked again next time")
        now[0] += 2
        raise GitFailed("git says nothing")

    def answer(folder: Path) -> GitSettings:
        return GitSettings(folder / "none", False)

    monkeypatch.setattr(ignore, "settings_of", fail)
    assert refused(rules, tmp_path).endswith("; it is asked again next time")
    monkeypatch.setattr(ignore, "settings_of", answer)
    assert rules.ignored_by(tmp_path, tmp_path / "a.py") is None


def test_git_that_reads_a_pipe_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / ".git/config", "a", encoding="utf-8") as config:
        config.write("[include]\n\tpath = ../pipe\n")
    monkeypatch.setattr(git_rules, "_TIMEOUT_S", 0.2)
    with pytest.raises(GitFailed, match=r"^git config took over 0\.2 s to answer"):
        IgnoreRules().ignored_by(tmp_path, tmp_path / "a.py")


def test_a_long_line_of_kinds() -> None:
    # The time grew with the square of its length: minutes for a file of 1 MB.
    for line in ("[" + "[:" * 50_000, "[" + "[:" * 50_000 + "]"):
        pattern = pattern_of(line)
        assert pattern is None or not pattern.means("a", is_folder=False)
