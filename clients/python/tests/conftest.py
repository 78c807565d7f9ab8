from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from gatekeeper_client import Gatekeeper
from house import EVERYBODY, FULL_KEY, STANDING_STILL, Gate, until


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def open_gate() -> Iterator[Gate]:
    """A gate that lets everybody in; the tests of a session share it and use user ids of their own."""
    with Gate(EVERYBODY) as gate:
        yield gate


@pytest.fixture(scope="session")
def busy_gate() -> Iterator[Gate]:
    """A gate that lets nobody in any more."""
    with Gate(STANDING_STILL) as gate:
        with Gatekeeper(gate.url, FULL_KEY) as client:
            token = client.enqueue("first").token
            until("the hour's one is in", lambda: client.status(token).is_ready)
        yield gate


@pytest.fixture
def ready(open_gate: Gate) -> Iterator[str]:
    """The token of somebody whose turn has come."""
    with Gatekeeper(open_gate.url, FULL_KEY) as client:
        token = client.enqueue(f"ready-{uuid4().hex}").token

        def turn() -> str | None:
            status = client.status(token)
            return status.token if status.is_ready else None

        yield until("the turn", turn)
