"""The stream that tells the engine that we are here, and us that it is. Called by `shared`.

Source: `GET /proof` and `GET /lease` in docs/protocol.md. An engine without leases ends itself; so
an editor that is killed, and takes its language server along, needs no last word.

    proof ── the key's ─▶ lease ── pid, as the ready file has it ─▶ open ── silence, the end ─▶ lost
      └── none: somebody else has the port, and gets nothing
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable

import httpx

logger = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 10.0
_BEAT_TIMEOUT_S = 35.0  # the engine sends a comment every 10 s
_MAX_PROOF_BYTES = 1000


class LeaseRefused(Exception):
    """Whoever answers at this address is not the engine that we know, or nobody does."""


class LeaseSilent(LeaseRefused):
    """Somebody listens at this address and says nothing."""


class Lease:
    """An open lease.

    Attributes:
        lost: set once the engine has gone, however it went.
        is_only: nobody else held one when it was opened; False too where the engine does not say.
    """

    def __init__(self, client: httpx.AsyncClient, on_beat: Callable[[], None]) -> None:
        """Use `open` instead."""
        self._client = client
        self._on_beat = on_beat
        self._opened: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self.lost = asyncio.Event()
        self.is_only = False

    @classmethod
    async def open(
        cls, url: str, key: str, pid: int, on_beat: Callable[[], None] = lambda: None
    ) -> Lease:
        """Return a lease on the engine at `url`, once that engine has answered.

        Args:
            url: base URL of the engine, on this machine.
            key: its bearer key.
            pid: its process id, which the answer must name.
            on_beat: called at every sign of life, every 10 s.

        Raises:
            LeaseSilent: no answer in time.
            LeaseRefused: nobody there, a refusal, another engine's answer, or somebody without
                the key, who is not shown it.
        """
        timeout = httpx.Timeout(OPEN_TIMEOUT_S, read=_BEAT_TIMEOUT_S)
        # Plain HTTP on this machine: no proxy of the environment, no certificates to load.
        client = httpx.AsyncClient(
            timeout=timeout,
            trust_env=False,
            verify=False,
            headers={"Accept-Encoding": "identity"},
        )
        lease = cls(client, on_beat)
        lease._task = asyncio.create_task(lease._hold(url, key), name="engine-lease")
        try:
            answered_pid = await asyncio.wait_for(lease._opened, OPEN_TIMEOUT_S)
            if answered_pid != pid:
                raise LeaseRefused(f"process {answered_pid} answered, not {pid}")
        except BaseException as error:
            await lease.aclose()
            if isinstance(error, asyncio.TimeoutError):
                raise LeaseSilent(f"no answer within {OPEN_TIMEOUT_S:g} s") from error
            raise
        return lease

    async def aclose(self) -> None:
        """Let go of the engine."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.lost.set()

    async def _hold(self, url: str, key: str) -> None:
        reason = "the stream ended"
        try:
            headers = {"Authorization": f"Bearer {key}"}
            async with self._client:
                if not await self._has_key(url, key):
                    reason = "whoever answers there cannot prove to have the engine's key"
                    return
                async with self._client.stream("GET", f"{url}/lease", headers=headers) as response:
                    if response.status_code != 200:
                        reason = f"HTTP {response.status_code}"
                        return
                    await self._listen(response)
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:
            reason = str(error) or type(error).__name__
        finally:
            self.lost.set()
            if not self._opened.done():
                self._opened.set_exception(LeaseRefused(reason))
                self._opened.exception()  # nobody may be waiting any more
            logger.debug("lease ended: %s", reason)

    async def _has_key(self, url: str, key: str) -> bool:
        """Return whether the engine there proves that it has the key, which is not sent for it."""
        nonce = secrets.token_hex(32)
        answer = b""
        async with self._client.stream("GET", f"{url}/proof?nonce={nonce}") as response:
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > _MAX_PROOF_BYTES:
                    return False
        proof = json.loads(answer).get("proof")
        expected = hmac.new(key.encode(), f"midfill proof {nonce}".encode(), hashlib.sha256)
        return isinstance(proof, str) and hmac.compare_digest(
            proof.encode(), expected.hexdigest().encode()
        )

    async def _listen(self, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            if line.startswith("data:") and not self._opened.done():
                facts = json.loads(line[5:])
                self.is_only = facts.get("leases") == 1
                self._opened.set_result(int(facts["pid"]))
            self._on_beat()
