r"""What a stream wrote, judged anew for a later cursor: nobody is asked for what is known already.

Most of what is not shown is a guess that the model was unsure of. Once somebody types on as it
guessed, the engine would write the rest again, with the same probabilities; so the rest is judged
by the rules of the new place instead. Pure. Called by `answers`.

    written    total += item.price * item.count        unsure: nothing is shown
    typed      total += it                              the rest is as sure as it was: nothing
    typed      total += item.                           sure from here on: shown, without asking
    typed      total = 0                                another text: asked anew
"""

from __future__ import annotations

from collections.abc import Iterator

from midfill_lsp.complete.live import Live
from midfill_lsp.document import Snapshot
from midfill_lsp.trim import TrimContext, Trimmer, TrimResult

Tokens = tuple[tuple[int, float], ...]


class Recall:
    """The latest stream of each document that came to its end."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._ended: dict[str, Live] = {}

    def keep(self, live: Live) -> None:
        """Take a stream that has ended."""
        if live.ending == "finished" and not live.is_retired:
            self._ended[live.uri] = live

    def forget(self, uri: str | None = None) -> None:
        """Forget a document, or all."""
        if uri is None:
            self._ended.clear()
        else:
            self._ended.pop(uri, None)

    def rest(self, snapshot: Snapshot, line_idx: int, column: int) -> Rest | None:
        """Return what the stream wrote behind a cursor; None if it was for something else."""
        live = self._ended.get(snapshot.uri)
        typed = live.anchor.typed_at(snapshot, line_idx, column) if live is not None else None
        if live is None or typed is None:
            return None
        written = live.lead + live.raw
        if len(typed.text) < len(live.lead) or not written.startswith(typed.text):
            return None
        return Rest(live, len(typed.text) - len(live.lead))


class Rest:
    """What a stream wrote behind the text that was typed of it since."""

    def __init__(self, live: Live, num_typed: int) -> None:
        """Take a stream, and how many of its code points were typed."""
        self.live = live
        self.text = live.raw[num_typed:]
        self._num_typed = num_typed

    @property
    def is_whole_line(self) -> bool:
        """Whether the line that the text begins in would not go on."""
        end = self.live.end
        return "\n" in self.text or (end is not None and end.reason in ("eos", "stop"))

    def judged(self, context: TrimContext) -> TrimResult | None:
        """Return what is to be shown at a cursor, maybe nothing; None if that is not known.

        Args:
            context: the surroundings of the cursor, which stands behind what was typed.
        """
        began = self.live.question
        is_block = context.mode == "block"
        if is_block and began.context.mode != "block":
            return None
        tokens: Tokens | None = ()
        if context.min_confidence > 0:
            tokens = self.live.tokens if began.ask.scored else None
        if tokens is None:
            return None
        # Of a token that was typed in part the rest is as likely as all of it, or likelier.
        best, is_decided = self._trimmed(context, _behind(tokens, self._num_typed, surely=True))
        if not best.text and (is_decided or self.is_whole_line):
            return best
        if not self.is_whole_line:
            return None
        worst, _ = self._trimmed(context, _behind(tokens, self._num_typed, surely=False))
        return None if is_block or worst.text != best.text else worst

    def _trimmed(
        self, context: TrimContext, tokens: Iterator[tuple[int, float]]
    ) -> tuple[TrimResult, bool]:
        """Return what is left of the text, and whether more of it would change nothing."""
        trimmer = Trimmer(context, is_shown=False)
        trimmer.score(tuple(tokens))
        is_decided = trimmer.feed(self.text).done
        return trimmer.finish(), is_decided


def _behind(tokens: Tokens, num_chars: int, surely: bool) -> Iterator[tuple[int, float]]:
    """Yield the tokens behind so many code points; the first may be the rest of one."""
    offset = 0
    for size, logprob in tokens:
        begin, offset = offset, offset + size
        if begin >= num_chars:
            yield size, logprob
        elif offset > num_chars:
            yield offset - num_chars, 0.0 if surely else logprob
