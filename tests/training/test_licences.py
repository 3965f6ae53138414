"""The licence gate, for Python's metadata and npm's."""

import pytest
from training.licences import npm_permissive, permissive


class Fields:
    """Package metadata made of a dictionary."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def get_all(self, name: str, failobj: None = None) -> list[str] | None:
        return self._fields.get(name)


OSI = "License :: OSI Approved"


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": ["MIT"]}, "MIT"),
        ({"License-Expression": ["Apache-2.0 OR GPL-3.0-only"]}, "Apache-2.0 OR GPL-3.0-only"),
        ({"License-Expression": ["MIT AND LGPL-2.1"]}, None),
        ({"License-Expression": ["(MIT OR GPL-2.0) AND ISC"]}, None),
        ({"License-Expression": ["MPL-2.0"], "License": ["MIT"]}, None),
        ({"Classifier": [OSI, f"{OSI} :: BSD License"]}, "bsd"),
        ({"Classifier": [f"{OSI} :: MIT License", f"{OSI} :: GNU GPL v3"]}, None),
        ({"Classifier": [f"{OSI} :: GNU GPL v3"], "License": ["MIT"]}, None),
        ({"License": ["Apache License, Version 2.0"]}, "apache-2.0"),
        ({"License": ["Apache 2.0 License"]}, "apache-2.0"),
        (
            {"License-Expression": ["BSD-3-Clause AND 0BSD AND Zlib AND CC0-1.0"]},
            "BSD-3-Clause AND 0BSD AND Zlib AND CC0-1.0",
        ),
        ({"License-Expression": ["Unlicense"]}, "Unlicense"),
        ({"License": ["BSD 3-Clause License"]}, "bsd"),
        ({"License": ["MIT, but ask me first"]}, None),
        ({"License": ["UNKNOWN"]}, None),
        ({}, None),
    ],
)
def test_licence_gate(fields: dict[str, list[str]], licence: str | None) -> None:
    assert permissive(Fields(fields)) == licence


@pytest.mark.parametrize(
    ("description", "licence"),
    [
        ({"license": "MIT"}, "MIT"),
        ({"license": "(MIT OR GPL-3.0)"}, "(MIT OR GPL-3.0)"),
        ({"license": "(MIT OR GPL-3.0) AND (ISC)"}, None),
        ({"license": "MIT OR GPL-3.0"}, "MIT OR GPL-3.0"),
        ({"license": "BlueOak-1.0.0"}, "BlueOak-1.0.0"),
        ({"license": "Apache-2.0 WITH LLVM-exception"}, "Apache-2.0 WITH LLVM-exception"),
        ({"license": {"type": "BSD-3-Clause", "url": "a"}}, "BSD-3-Clause"),
        ({"licenses": [{"type": "GPL-2.0"}, {"type": "MIT"}]}, "MIT"),
        ({"license": "Apache 2.0"}, "apache-2.0"),
        ({"license": "SEE LICENSE IN LICENSE.md"}, None),
        ({"license": "UNLICENSED"}, None),
        ({"license": "LGPL-3.0", "licenses": [{"type": "MIT"}]}, None),
        ({"license": 3}, None),
        ({}, None),
    ],
)
def test_npm_licence_gate(description: dict[str, object], licence: str | None) -> None:
    assert npm_permissive(description) == licence
