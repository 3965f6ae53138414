// The workspace. The bundled model completes what follows from what stands in the file.
const SHAPES = `class Point:
    def get_x(self):
        if self.x is None:
            raise ValueError("x is not set")
        return self.x

    def get_y(self):
        if self.y is None:
            raise ValueError("y is not set")
        return self.y

    def get_z(self):
`;

// What a workspace tries to choose; but for the last one it must not.
const WORKSPACE_SETTINGS = {
  "midfill.server.path": "/from/the/workspace",
  "midfill.server.python": "/from/the/workspace",
  "midfill.engine.command": ["/from/the/workspace"],
  "midfill.backend.url": "/from/the/workspace",
  "midfill.completion.candidates": 5,
};

export const FILES = {
  ".vscode/settings.json": JSON.stringify(WORKSPACE_SETTINGS),
  "checks.py": `def check_range(value, low, high):
    if value < low:
        raise ValueError("value is too small")
    if value > high:

    return value
`,
  "shapes.py": SHAPES,
  "another.py": SHAPES,
  "killed.py": SHAPES,
  "lines.py": SHAPES,
  "menu.py": SHAPES,
  "cycle.py": `${SHAPES}        value = \n`,
  "token.py": SHAPES,
  "untrusted.py": SHAPES,
  "indent.py": "def total(prices):\n    for price in prices:\n\n",
  "host.py": SHAPES,
  "accept.py": SHAPES,
  "inventory.py": `class Inventory:
    def __init__(self, items):
        self.items = list(items)

    def __len__(self):
        return len(self.items)

    def __iter__(self):
`,
  "area.py": `import math


class Circle:
    def __init__(self, radius):
        self.radius = radius

    def area(self):
        return math.pi * self.radius

    def name(self):
        return "circle"
`,
  "reader.py": `import os


def read_text(path, encoding="utf-8"):
    with open(path, encoding=encoding) as file:
        return file.read()


def read_bytes(path, encoding="utf-8"):
`,
};
