"""The index of the workspace's files as it is now: walked in a thread, and again when told.

Called by `finder`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from midfill_lsp.context.index import Tree, walk
from midfill_lsp.context.work import Work
from midfill_lsp.context.workspace import Workspace


class LiveIndex:
    """The latest walk's tree. Everything but the walk runs on the event loop.

    Attributes:
        tree: empty before the first walk has ended.
        number: counts the walks that have ended.
    """

    def __init__(self, workspace: Workspace, max_files: Callable[[], int]) -> None:
        """Begin with nothing walked.

        Args:
            workspace: the folders of the moment.
            max_files: the bound of the moment.
        """
        self._workspace = workspace
        self._max_files = max_files
        self._walking = Work("midfill-index")
        self._must_walk_again = False
        self.tree = Tree()
        self.number = 0

    @property
    def failures(self) -> Counter[str]:
        """How often walks failed, since the start."""
        return self._walking.failures

    def start(self) -> asyncio.Task[None]:
        """Walk the workspace; once more if that is under way.

        Returns:
            A task that ends when the index is there.
        """
        running = self._walking.running("walk")
        if running is not None:
            self._must_walk_again = True
            return running
        workspace, max_files = Workspace(self._workspace.folders), self._max_files()

        def work() -> Tree:
            return walk(workspace, max_files, lambda: not self._walking.is_closed)

        def take(tree: Tree) -> None:
            self.tree = tree
            self.number += 1
            if self._must_walk_again:
                self._must_walk_again = False
                asyncio.get_running_loop().call_soon(self.start)

        return self._walking.start("walk", "", work, take)

    async def wait(self, most_s: float | None) -> float:
        """Wait for the walk, as `Work.wait` does."""
        return await self._walking.wait(most_s)

    async def aclose(self) -> None:
        """End the walk; it is not waited for."""
        await self._walking.aclose()
