"""A machine reads the description and asks everything it can think of, well formed and not."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest
import uvicorn

from tests.web.door import Door
from tests.web.stock import stock, with_real_ids

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

LEFT_OUT = {
    "use_after_free": "nothing here is deleted: what is closed stays to be seen",
    "ensure_resource_availability": "only for chains of requests, which the simulator's town plays better",
    "object_level_authorization": "needs two users; test_authorisation.py asks every route with their ids",
}
"""Checks not asked for, each with the reason."""


@pytest.mark.slow
async def test_nothing_is_found(door: Door, tmp_path: Path) -> None:
    described = (await door.ask("GET", "/v1/openapi.json", key="")).text
    location = tmp_path / "openapi.json"
    ids = await stock(door)
    location.write_text(json.dumps(with_real_ids(described, ids)))
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(door.app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", str(location), "--url", address, "--header", f"Authorization: Bearer {door.operator}"),
        *("--phases", "coverage,fuzzing", "--max-examples", "6", "--seed", "4860"),
        *("--exclude-checks", ",".join(LEFT_OUT), "--no-color", "--no-shrink", "--workers", "2"),
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.web.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await asking.communicate()
    server.should_exit = True
    await serving
    assert asking.returncode == 0, told.decode()
    answered = await door.town.sql("select status, count(*) from request group by status")
    assert {201, 422} <= {row["status"] for row in answered}  # it came past the door
    proof = await door.post("/v1/ledger/verify")
    assert proof["ok"], proof
