"""Loopback: small HTTP services that play somebody else, answering JSON from one function."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request. body: its JSON, None when it has none or it cannot be read. headers: names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Said(NamedTuple):
    """An answer. status: 0 hangs up without one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


Answer = Callable[[Asked], Said]


class Loopback:
    """A service on 127.0.0.1 that answers until stopped. port: 0 takes a free one."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: requests carry telephone numbers."""

            def _answer(self) -> None:
                size = min(int(self.headers.get("content-length") or 0), 1_000_000)
                raw = self.rfile.read(size)
                try:
                    body = json.loads(raw) if raw else None
                except ValueError:
                    body = None
                headers = {name.lower(): value for name, value in self.headers.items()}
                said = answer(Asked(self.command, self.path, headers, body))
                if said.status == 0:
                    self.close_connection = True
                    return
                text = json.dumps(said.body, ensure_ascii=False).encode()
                self.send_response(said.status)
                for name, value in {**said.headers, "content-type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = _answer

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> str:
        """Answer from a thread. -> the address."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self.address

    def serve(self) -> None:
        """Answer from here until interrupted."""
        print(self.address, flush=True)
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
