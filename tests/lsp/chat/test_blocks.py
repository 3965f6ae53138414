"""Code blocks of answers, whole and growing."""

from __future__ import annotations

import pytest

from midfill_lsp.chat.blocks import find_blocks

ANSWER = """Use a *loop*:

```python title=x
for i in range(3):
    print(i)
```

1. or quoted:
   ~~~js
   let a = 1
   ~~~
> ````md
> ```
> inner
> ```
> ````

    not_fenced()
Inline ``` is no block.
"""


def test_every_fence_is_found_with_its_lines() -> None:
    blocks = find_blocks(ANSWER)
    assert [(block.language, block.text) for block in blocks] == [
        ("python", "for i in range(3):\n    print(i)\n"),
        ("js", "let a = 1\n"),
        ("md", "```\ninner\n```\n"),
    ]
    assert all(block.is_closed for block in blocks)
    lines = ANSWER.split("\n")
    for block in blocks:
        shown = [line.lstrip(" >") for line in lines[block.start_line : block.end_line]]
        assert shown == [line.lstrip() for line in block.text.splitlines()]


def test_a_growing_answer_never_loses_a_block_and_texts_only_grow() -> None:
    before: tuple[str, ...] = ()
    for end in range(len(ANSWER) + 1):
        blocks = find_blocks(ANSWER[:end])
        texts = tuple(block.text for block in blocks if block.is_closed)
        assert texts[: len(before)] == before, ANSWER[:end]
        assert all(block.is_closed for block in blocks[:-1])
        before = texts
    assert len(before) == 3


@pytest.mark.parametrize(
    ("content", "language", "text", "is_closed"),
    [
        ("```", "", "", False),
        ("```py\nx", "py", "x", False),
        ("```py\nx\n``", "py", "x\n``", False),
        ("```\n```", "", "", True),
        ("a\r\n```c++\r\nx\r\n```", "c++", "x\n", True),
        ("```python\n🙂\n```", "python", "🙂\n", True),
    ],
)
def test_edges(content: str, language: str, text: str, is_closed: bool) -> None:
    (block,) = find_blocks(content)
    assert (block.language, block.is_closed) == (language, is_closed)
    assert block.text.rstrip("\n") == text.rstrip("\n")
    assert block.end_line - block.start_line == len(block.text.splitlines())


def test_answers_without_code() -> None:
    assert find_blocks("") == ()
    assert find_blocks("only `x` and words\n\n    indented") == ()
