"""Which files look as if they held secrets, by name alone. Pure. Called by `gate` and `index`."""

from __future__ import annotations

from functools import cache
from typing import Final

from midfill_lsp.context.ignore import Patterns, mean, patterns_of

_DATA = ("yml", "yaml", "json", "toml", "ini", "cfg", "conf", "env", "properties", "xml", "txt")
_WORDS = ("credentials", "secrets", "credential", "secret")

NAMES: Final = (
    # Environments; examples of them hold none.
    ".env", ".env.*", "*.env", ".envrc", "!.env.example", "!.env.sample", "!.env.template",
    "!.env.dist",
    # Keys, and certificates with keys.
    "*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx", "*.gpg",
    "*.pgp", "*.age", "*.ovpn", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "!id_*.pub",
    # Passwords and tokens of programs.
    ".netrc", "_netrc", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".pgpass", ".my.cnf",
    ".htpasswd", ".git-credentials", ".dockercfg", ".s3cfg", ".boto", ".vault-token",
    ".terraformrc", "terraform.rc", "credentials.tfrc.json", ".databrickscfg", "wp-config.php",
    "auth.json", "*.mobileprovision",
    # State and variables that hold them in the clear.
    "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", "kubeconfig", "*.kubeconfig",
    "service[-_]account*.json", "client_secret*.json", "google-services.json",
    *_WORDS, *(f"{word}.{ext}" for word in _WORDS for ext in _DATA),
    *(f"*.secrets.{ext}" for ext in _DATA),
)  # fmt: skip
"""Names of files, in the syntax of .gitignore: the last that matches decides. In lower case.

`secrets.py` is code, and passes.
"""

FOLDERS: Final = tuple(
    f"**/{path}" if path[0] != "!" else f"!**/{path[1:]}"
    for path in (
        ".ssh/**", ".aws/**", ".azure/**", ".gnupg/**", ".kube/**", ".config/gcloud/**",
        ".secrets/**", ".docker/config.json", ".gem/credentials",
        # What git keeps, but for the messages that are written there.
        ".git/**", "!.git/COMMIT_EDITMSG", "!.git/MERGE_MSG", "!.git/TAG_EDITMSG",
    )
)  # fmt: skip
"""Paths below the folders of programs that keep such things."""


def looks_secret(path: str) -> bool:
    """Whether a path, with slashes, looks as if the file held secrets."""
    path = path.lstrip("/").lower()
    name = path.rpartition("/")[2]
    return mean(_patterns(NAMES), name) or mean(_patterns(FOLDERS), path)


@cache
def _patterns(lines: tuple[str, ...]) -> Patterns:
    return patterns_of(tuple(line.lower() for line in lines))
