"""A server that behaves as the Hugging Face Hub does towards huggingface_hub, on 127.0.0.1.

Files lie behind a redirect, answer to ranges, and can break off in the middle; a repository can be
gated, private or missing.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal

SHA = "0123456789abcdef0123456789abcdef01234567"
Access = Literal["open", "gated", "private", "bad_token", "forbidden"]


@dataclass
class FakeHub:
    """One repository, owner/name.

    Attributes:
        files: its contents by name.
        access: to whom it opens; `gated` opens to the token `accepted`.
        break_after: a file's name -> bytes after which its first download breaks off.
        seen: method, path, range and token of every request.
    """

    files: dict[str, bytes]
    access: Access = "open"
    break_after: dict[str, int] = field(default_factory=dict[str, int])
    seen: list[tuple[str, str, str | None, str | None]] = field(
        default_factory=list[tuple[str, str, str | None, str | None]]
    )

    def __enter__(self) -> FakeHub:
        """Listen on a free port."""
        hub = self

        class Handler(_Handler):
            fake = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def cdn(self) -> str:
        """Where the files lie: another host, as far as a client can see."""
        return self.url.replace("127.0.0.1", "localhost")

    def downloads(self, name: str) -> list[str | None]:
        """The ranges in which a file was asked for; None is the whole."""
        return [
            part
            for method, path, part, _ in self.seen
            if method == "GET" and path == f"/cdn/{name}"
        ]


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub

    def log_message(self, format: str, *args: object) -> None:
        """Keep still."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        token = self.headers.get("authorization")
        self.fake.seen.append((self.command, path, self.headers.get("range"), token))
        refusal = self._refusal(token)
        if path.startswith("/cdn/"):
            self._file(path.removeprefix("/cdn/"))
        elif refusal is not None:
            self._send(*refusal)
        elif path.startswith("/api/models/owner/name/tree/"):
            self._json(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": f"oid-{name}"}
                    for name, data in self.fake.files.items()
                ]
            )
        elif path.startswith("/api/models/owner/name"):
            gated = "auto" if self.fake.access == "gated" else False
            names = [{"rfilename": name} for name in self.fake.files]
            body = {"id": "owner/name", "sha": SHA, "siblings": names, "gated": gated}
            self._json({**body, "tags": ["license:apache-2.0", "region:us"]})
        elif (name := path.removeprefix(f"/owner/name/resolve/{SHA}/")) in self.fake.files:
            size = str(len(self.fake.files[name]))
            headers = {"X-Repo-Commit": SHA, "X-Linked-Etag": f'"etag-{name}"'}
            headers |= {"X-Linked-Size": size, "Location": f"{self.fake.cdn}/cdn/{name}"}
            self._send(302, headers)
        else:
            self._send(404, {"X-Error-Code": "RepoNotFound"})

    def _refusal(self, token: str | None) -> tuple[int, dict[str, str]] | None:
        if self.fake.access == "gated" and token != "Bearer accepted":
            return 403, {"X-Error-Code": "GatedRepo"}
        if self.fake.access == "private":
            return 401, {"X-Error-Code": "RepoNotFound"}
        if self.fake.access == "bad_token":
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}
        return (403, {}) if self.fake.access == "forbidden" else None

    def _json(self, body: object) -> None:
        data = json.dumps(body).encode()
        self._send(200, {"Content-Type": "application/json"}, data)

    def _file(self, name: str) -> None:
        whole = self.fake.files[name]
        headers = {"ETag": f'"etag-{name}"', "Accept-Ranges": "bytes"}
        asked = self.headers.get("range")
        start = 0 if asked is None else int(asked.removeprefix("bytes=").partition("-")[0])
        if asked is not None:
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        limit = self.fake.break_after.pop(name, None) if self.command == "GET" else None
        self._send(200 if asked is None else 206, headers, whole[start:], limit)

    def _send(
        self, status: int, headers: dict[str, str], body: bytes = b"", limit: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:limit])
        if limit is not None:
            self.close_connection = True
