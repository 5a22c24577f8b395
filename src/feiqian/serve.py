"""Serve: one process that answers HTTP until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import uvicorn


async def serve_app(app: Any, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
    """Answer HTTP on an address until SIGINT or SIGTERM; requests under way are finished first.

    port: 0 takes a free one. ready: told the base address once it is known.
    """
    listener = socket.create_server((host, port), backlog=1024, reuse_port=False)
    address = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=10,
        lifespan="on",
    )
    server = uvicorn.Server(config)
    if ready is not None:
        ready(address)
    await server.serve(sockets=[listener])
