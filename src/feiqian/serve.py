"""Serve: one process that answers HTTP until it is told to stop."""

from __future__ import annotations

import contextlib
import errno
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from feiqian.kernel.errors import Refused


class AddressTaken(Refused):
    """Something else listens on this address already. Choose another with --port; 0 takes a free one."""

    code, status, zh = "address_taken", 409, "该地址已被占用，请用 --port 换一个端口，0 表示任选空闲端口。"


class AddressUnusable(Refused):
    """This machine cannot listen on that address. Choose another with --host or --port."""

    code, status, zh = "address_unusable", 422, "本机无法监听该地址，请用 --host 或 --port 更换。"


class _Server(uvicorn.Server):
    """Tells when requests are answered, not only when the port is ours, and ends by returning.

    Told to stop, uvicorn would raise the signal once more when it is done, and so end us before what
    holds this server is put away.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT or SIGTERM; on one more SIGINT without waiting for requests."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may hear signals
            return
        before = {n: signal.signal(n, self.handle_exit) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve_app(app: Any, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
    """Answer HTTP on an address until SIGINT or SIGTERM; requests under way are finished first.

    port: 0 takes a free one. ready: told the base address once requests are answered.
    Raises: AddressTaken, AddressUnusable.
    """
    listener = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a forged header must not say where a request comes from
        date_header=True,
        timeout_graceful_shutdown=10,
        lifespan="on",
    )
    # What is loaded by now stays: looking through it for garbage again and again is lost time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    server = _Server(config, lambda: ready(address) if ready is not None else None)
    await server.serve(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises: AddressTaken, AddressUnusable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024, reuse_port=False)
    except OSError as error:
        kind = AddressTaken if error.errno == errno.EADDRINUSE else AddressUnusable
        raise kind(host=host, port=port, reason=error.strerror) from None
