"""The privacy gate: which files pass for whom, and that it fails closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from midfill_lsp.backend.place import USUAL
from midfill_lsp.config import BackendConfig, Config, ContextConfig, EngineConfig
from midfill_lsp.context.gate import Admitted, AdmittedAround, Gate
from midfill_lsp.context.judge import Kind, Refusal, Role
from midfill_lsp.context.secret_files import looks_secret
from midfill_lsp.context.secret_forms import Syntax
from midfill_lsp.context.secret_lines import SecretLines
from midfill_lsp.context.trust import Trust, trust_of
from midfill_lsp.context.workspace import Workspace


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a workspace with a bit of everything."""
    root = tmp_path / "work"
    outside = tmp_path / "outside"
    for folder in (root / "src", root / ".git/info", outside):
        folder.mkdir(parents=True)
    (root / ".gitignore").write_text("ignored.py\nbuild/\n", "utf-8")
    (root / "src/.midfillignore").write_text("private_*.py\n", "utf-8")
    (root / ".git/info/exclude").write_text("mine.py\n", "utf-8")
    for name in ("src/a.py", "ignored.py", "src/private_a.py", "mine.py", ".env", "credentials"):
        (root / name).write_text("x = 1\n", "utf-8")
    (outside / "o.py").write_text("x = 1\n", "utf-8")
    (root / "src/link.py").symlink_to(outside / "o.py")
    (root / "src/folder").symlink_to(outside)
    (root / "src/innocent.py").symlink_to(root / ".env")
    (root / "src/alias.py").symlink_to(root / "ignored.py")
    return root


def gate_of(top: Path, config: ContextConfig | None = None) -> Gate:
    return Gate(lambda: config or ContextConfig(), Workspace([top]))


def judged(
    gate: Gate, path: Path | str, trust: Trust = "local", role: Role = "context"
) -> Kind | None:
    uri = path.as_uri() if isinstance(path, Path) else path
    answer = gate.admit(uri, "x = 1\n", trust, role)
    around = gate.admit_around(uri, "x =", " 1\n", trust) if role == "document" else answer
    assert isinstance(answer, Refusal) == isinstance(around, Refusal)
    return answer.kind if isinstance(answer, Refusal) else None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("src/a.py", None),
        ("src/not_there_yet.py", None),
        ("ignored.py", "ignored"),
        ("build/deep/x.py", "ignored"),
        ("src/private_a.py", "ignored"),
        ("mine.py", "ignored"),
        (".env", "secret"),
        ("credentials", "secret"),
        (".git/config", "secret"),
        ("src/link.py", "outside"),
        ("src/folder/o.py", "outside"),
        ("src/innocent.py", "secret"),
        ("src/alias.py", "ignored"),
        ("../outside/o.py", "outside"),
        ("src/../../outside/o.py", "outside"),
    ],
)
def test_files_for_a_local_backend(top: Path, name: str, kind: Kind | None) -> None:
    gate = gate_of(top)
    assert judged(gate, f"file://{top}/{name}") == kind
    assert judged(gate, f"{top}/{name}") == kind
    # The user's own document may be outside; nothing else changes for it.
    assert judged(gate, f"file://{top}/{name}", role="document") == (
        None if kind == "outside" else kind
    )
    assert sum(gate.refusals.values()) == (2 if kind else 0) + (
        2 if kind and kind != "outside" else 0
    )


def test_a_remote_backend_sees_the_file_alone_unless_told(top: Path) -> None:
    file, outside = top / "src/a.py", top.parent / "outside/o.py"
    usual = gate_of(top)
    assert judged(usual, file, "remote", "document") is None
    assert judged(usual, file, "remote") == "remote"
    assert judged(usual, outside, "remote", "document") == "outside"
    assert judged(usual, top / ".env", "remote", "document") == "secret"
    wide = gate_of(top, ContextConfig(remote="workspace"))
    assert judged(wide, file, "remote") is None
    assert judged(wide, top / "ignored.py", "remote") == "ignored"
    none = gate_of(top, ContextConfig(remote="none"))
    assert judged(none, file, "remote", "document") == "remote"
    assert judged(none, "untitled:Untitled-1", "remote", "document") == "remote"
    assert judged(none, file, "local") is None


def test_globs_allow_and_deny(top: Path) -> None:
    config = ContextConfig(allow=("ignored.py", "src/*", ".env"), deny=("src/private_*.py",))
    gate = gate_of(top, config)
    assert judged(gate, top / "ignored.py") is None
    assert judged(gate, top / "src/a.py", "remote") is None
    assert judged(gate, top / "src/private_a.py") == "denied"
    assert judged(gate, top / ".env") == "secret"  # nothing but secretFiles lets those pass
    assert judged(gate, top / "src/link.py") == "outside"


def test_secret_files_go_to_this_machine_alone_and_only_if_told(top: Path) -> None:
    gate = gate_of(top, ContextConfig(secret_files=True, remote="workspace"))
    assert judged(gate, top / ".env", "local", "document") is None
    assert judged(gate, top / ".env", "remote", "document") == "secret"


def test_documents_without_a_file(top: Path) -> None:
    gate = gate_of(top)
    for trust in ("local", "remote"):
        assert judged(gate, "untitled:Untitled-1", trust, "document") is None
    assert judged(gate, "untitled:Untitled-1") == "outside"
    assert judged(gate, "output:tasks", "remote", "document") == "outside"
    assert judged(gate, "output:tasks", "local", "document") is None
    assert judged(gate, f"vscode-notebook-cell://{top}/ignored.py#c1") == "ignored"


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("untitled:TOP/.env", "secret"),
        ("untitled:.env", "secret"),
        ("git:TOP/.env?%7B%22ref%22%3A%22HEAD%22%7D", "secret"),
        ("git:TOP/src/%2Eenv?ref", "secret"),
        ("git:TOP/ignored.py?ref", "ignored"),
        ("git:TOP/src/a.py?ref", None),
        ("vscode-vfs://github/anna/credentials", "secret"),
        ("file://server/share/id_rsa", "secret"),
        ("file:TOP/.env", "secret"),
        ("file:TOP/ignored.py", "ignored"),
        ("vscode-notebook-cell:TOP/ignored.py#c1", "ignored"),
        ("output:.aws/credentials", "secret"),
    ],
)
def test_a_path_is_judged_whatever_the_scheme(top: Path, uri: str, kind: Kind | None) -> None:
    gate = gate_of(top)
    assert judged(gate, uri.replace("TOP", str(top)), "local", "document") == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SRC/Private/A.py", "denied"),
        ("src/alias_of_private.py", "denied"),
        (".ENV", "secret"),
        ("src/Id_RSA", "secret"),
        ("src/a.py", None),
    ],
)
def test_what_is_denied_or_secret_is_so_by_any_name(
    top: Path, name: str, kind: Kind | None
) -> None:
    (top / "src/private").mkdir()
    (top / "src/private/a.py").write_text("x = 1\n", "utf-8")
    (top / "src/alias_of_private.py").symlink_to(top / "src/private/a.py")
    gate = gate_of(top, ContextConfig(deny=("src/private/",)))
    assert judged(gate, top / name) == kind


def test_a_link_into_another_folder_obeys_the_rules_there(top: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / ".gitignore").write_text("hidden.py\n", "utf-8")
    (other / "hidden.py").write_text("x = 1\n", "utf-8")
    (other / "shut.py").write_text("x = 1\n", "utf-8")
    for name in ("hidden", "shut"):
        (top / f"to_{name}.py").symlink_to(other / f"{name}.py")
    gate = Gate(lambda: ContextConfig(deny=("/shut.py",)), Workspace([top, other]))
    assert judged(gate, top / "to_hidden.py") == "ignored"
    assert judged(gate, top / "to_shut.py") == "denied"


def test_what_is_denied_is_meant_from_the_top(top: Path) -> None:
    assert judged(gate_of(top, ContextConfig(deny=(f"{top.name}/",))), top / "src/a.py") is None


def test_a_name_that_holds_a_secret_is_masked(top: Path) -> None:
    token = "ghp_" + "a1B2c3D4e5F6" * 3
    answer = gate_of(top).admit((top / f"src/{token}.py").as_uri(), "x\n", "local")
    assert isinstance(answer, Admitted)
    assert answer.name == f"src/{'x' * len(token + '.py')}"


def test_what_the_user_says_goes_whole_to_this_machine_alone(top: Path) -> None:
    gate = gate_of(top)
    said = "why does this fail?\nDB_PASSWORD=hunter2\n"
    assert gate.admit_words(said, "local") == Admitted(said, "", 0)
    elsewhere = gate.admit_words(said, "remote")
    assert elsewhere == Admitted(said.replace("hunter2", "xxxxxxx"), "", 1)
    broken = Gate(ContextConfig, Workspace([top]), Broken())
    assert isinstance(broken.admit_words(said, "remote"), Refusal)


def test_git_that_does_not_tell_its_settings_refuses(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = top / "settings"
    settings.write_text("[core\n", "utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    answer = gate_of(top).admit((top / "src/a.py").as_uri(), "x\n", "local")
    assert isinstance(answer, Refusal)
    assert answer.reason.endswith("git config fails with status 128: mend git's settings")


def test_a_single_file_is_its_own_workspace(tmp_path: Path) -> None:
    (tmp_path / ".midfillignore").write_text("b.py\n", "utf-8")
    gate = Gate(ContextConfig, Workspace())
    assert judged(gate, tmp_path / "a.py", "remote", "document") is None
    assert judged(gate, tmp_path / "b.py", "local", "document") == "ignored"


def test_a_folder_of_a_repository_obeys_the_files_above_it(top: Path) -> None:
    (top / ".gitignore").write_text("src/a.py\n", "utf-8")
    gate = gate_of(top / "src")
    assert judged(gate, top / "src/a.py") == "ignored"
    answer = gate.admit((top / "src/b.py").as_uri(), "x\n", "local")
    assert isinstance(answer, Admitted)
    assert answer.name == "src/b.py"


def test_a_workspace_behind_a_link(top: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(top)
    gate = gate_of(link)
    assert judged(gate, link / "src/a.py") is None
    assert judged(gate, top / "src/a.py") is None
    assert judged(gate, link / "ignored.py") == "ignored"


def test_folders_come_and_go(top: Path) -> None:
    workspace = Workspace([top])
    gate = Gate(ContextConfig, workspace)
    outside = top.parent / "outside"
    workspace.take([top, outside])
    assert judged(gate, outside / "o.py") is None
    workspace.take([top])
    assert judged(gate, outside / "o.py") == "outside"


def test_lines_are_masked_for_everybody(top: Path) -> None:
    gate = gate_of(top)
    answer = gate.admit((top / "src/a.py").as_uri(), 'password = "hunter2"\n', "local")
    assert answer == Admitted('password = "xxxxxxx"\n', "src/a.py", 1)
    around = gate.admit_around((top / "src/a.yaml").as_uri(), "password: hun", "ter2\n", "remote")
    assert around == AdmittedAround("password: xxx", "xxxx\n", "src/a.yaml", 1)


class Broken(SecretLines):
    def spans(self, line: str, syntax: Syntax = Syntax.CODE) -> tuple[tuple[int, int], ...]:
        raise RuntimeError(f"{line} in a message")


def test_an_error_is_a_refusal_without_the_text(
    top: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate(ContextConfig, Workspace([top]), Broken())
    uri = (top / "src/a.py").as_uri()
    answers = [
        gate.admit(uri, "abcdefgh", "local"),
        gate.admit_around(uri, "abcdefgh", "", "local"),
    ]
    assert answers == [Refusal("error", "the privacy gate failed: RuntimeError")] * 2
    assert gate.refusals["error"] == 2
    assert "abcdefgh" not in caplog.text


@pytest.mark.parametrize("bad", ["unreadable", "too long"])
def test_an_ignore_file_that_is_none_refuses_its_folder(top: Path, bad: str) -> None:
    file = top / "src/.gitignore"
    if bad == "unreadable":
        file.mkdir()
    else:
        file.write_text("a\n" * 600_000, "utf-8")
    answer = gate_of(top).admit((top / "src/a.py").as_uri(), "x", "local")
    assert isinstance(answer, Refusal)
    assert answer.kind == "error"
    assert bad == "unreadable" or ".gitignore is longer than" in answer.reason


@pytest.mark.parametrize("line", ["!", "[a", "a\\"])
def test_a_setting_that_is_no_pattern_is_named(top: Path, line: str) -> None:
    gate = gate_of(top, ContextConfig(deny=(line,)))
    answer = gate.admit((top / "b.py").as_uri(), "x", "local")
    assert isinstance(answer, Refusal)
    assert (answer.kind, "context.deny has a line" in answer.reason) == ("error", True)


def test_a_line_that_is_no_pattern_refuses_nothing(top: Path) -> None:
    # `GitIgnorePatternError`: one such line switched completion off in the whole repository.
    (top / ".gitignore").write_text("foo\\\n!\n\\\n[z-a]\n[a\nb.py\n", "utf-8")
    assert judged(gate_of(top), top / "src/a.py") is None
    assert judged(gate_of(top), top / "b.py") == "ignored"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        (".env", True), (".env.local", True), ("prod.env", True), (".env.example", False),
        ("a/id_rsa", True), ("id_ed25519.pub", False), ("tls/server.PEM", True), (".npmrc", True),
        ("terraform.tfstate.backup", True), ("secrets.yaml", True), ("secrets.py", False),
        ("secrets/app.py", False), ("home/.ssh/config", True), (".git/COMMIT_EDITMSG", False),
        (".git/config", True), ("environment.py", False), ("keys.py", False),
        ("a/.kube/config", True), ("kubeconfig", True), ("app.secrets.json", True),
        ("package.json", False), ("client_secret_1.json", True),
    ],
)  # fmt: skip
def test_names_of_secret_files(name: str, secret: bool) -> None:
    assert looks_secret(name) == secret
    assert looks_secret(f"/home/anna/work/{name}") == secret


@pytest.mark.parametrize(
    ("config", "trust"),
    [
        (Config(), "local"),
        (Config(engine=EngineConfig(url="http://127.0.0.1:8793")), "local"),
        (Config(engine=EngineConfig(url="http://gpu.example:8793")), "remote"),
        (Config(backend=BackendConfig(kind="ollama")), "remote"),  # nobody knows which model
        (Config(backend=BackendConfig(kind="ollama", model="qwen2.5-coder:7b")), "local"),
        (Config(backend=BackendConfig(kind="ollama", model="qwen3-coder:480b-cloud")), "remote"),
        (Config(backend=BackendConfig(kind="llamacpp", url="http://[::1]:1")), "local"),
        (Config(backend=BackendConfig(kind="llamacpp", url="http://10.0.0.2:1")), "remote"),
        (Config(backend=BackendConfig(kind="openai")), "remote"),
        (Config(backend=BackendConfig("openai", "http://localhost:1/{model}", "a/b")), "local"),
        # The URL without the model was judged, and the one with it was asked.
        (
            Config(backend=BackendConfig("openai", "http://{model}127.0.0.1/", "a.example/")),
            "remote",
        ),
        (Config(backend=BackendConfig("openai", "http://localhost:1/{model}")), "remote"),
        (Config(backend=BackendConfig(kind="tgi")), "remote"),
        (Config(backend=BackendConfig(kind="tgi", url="nonsense")), "remote"),
    ],
)
def test_trust(config: Config, trust: Trust) -> None:
    assert trust_of(config) == trust


def test_usual_places_are_trusted_for_what_they_are() -> None:
    for kind, url in USUAL.items():
        named = Config(backend=BackendConfig(kind=kind, url=url))  # type: ignore[arg-type]
        usual = Config(backend=BackendConfig(kind=kind))  # type: ignore[arg-type]
        assert trust_of(usual, "a-model") == trust_of(named, "a-model")
        assert trust_of(usual, "a-model:cloud") == ("local" if kind == "llamacpp" else "remote")


def test_a_verdict_is_kept_for_a_second(top: Path) -> None:
    now = [0.0]
    gate = Gate(ContextConfig, Workspace([top]), clock=lambda: now[0])
    file = top / "src/a.py"
    assert judged(gate, file) is None
    (top / ".midfillignore").write_text("a.py\n", "utf-8")
    now[0] = 0.9
    assert judged(gate, file) is None
    now[0] = 1.1
    assert judged(gate, file) == "ignored"
    (top / ".midfillignore").unlink()
    gate.forget()
    assert judged(gate, file) is None
