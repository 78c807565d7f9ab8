"""The FastAPI example, with the real gate behind it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from gatekeeper_client import AsyncGatekeeper, Gatekeeper, Visitor
from gatekeeper_client.fastapi import require_ready
from house import FULL_KEY, Gate, free_port

EXAMPLE = Path(__file__).resolve().parents[1] / "examples/fastapi_shop.py"


def example(monkeypatch: pytest.MonkeyPatch, url: str, key: str = FULL_KEY) -> TestClient:
    """The example as it is documented, told of this gate."""
    monkeypatch.setenv("GATEKEEPER_URL", url)
    monkeypatch.setenv("SHOP_KEY", key)
    spec = importlib.util.spec_from_file_location("fastapi_shop", EXAMPLE)
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    # Annotations are looked up in the module by its name.
    monkeypatch.setitem(__import__("sys").modules, "fastapi_shop", module)
    spec.loader.exec_module(module)
    return TestClient(module.app)


def test_whose_turn_it_is_is_served_until_the_visit_ends(
    open_gate: Gate, ready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = example(monkeypatch, open_gate.url)
    served = shop.get("/checkout", headers={"jwt": ready})
    assert served.status_code == 200 and served.json()["served"].startswith("ready-")
    assert shop.get("/checkout", params={"jwt": ready}).status_code == 200, "as the page wrote it"
    assert shop.post("/checkout/pay", headers={"jwt": ready}).json() == {"paid": True, "finished": True}
    after = shop.get("/checkout", headers={"jwt": ready})
    assert (after.status_code, after.json()["detail"]["code"]) == (403, "not_ready")


def test_nobody_else_is(busy_gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gatekeeper(busy_gate.url, FULL_KEY) as client:
        waiting = client.enqueue("waits-for-fastapi").token
    shop = example(monkeypatch, busy_gate.url)
    for headers, params, code in [
        ({}, {}, "missing_token"),
        ({"jwt": waiting}, {}, "not_ready"),
        ({"jwt": "eyJ.made.up"}, {}, "invalid_token"),
        ({}, {"jwt": "\u2713 \n"}, "invalid_token"),
        ({"authorization": "Bearer the-site's-own"}, {}, "missing_token"),
    ]:
        refused = shop.get("/checkout", headers=headers, params=params)
        assert (refused.status_code, refused.json()["detail"]["code"]) == (403, code)
        assert refused.headers["cache-control"] == "no-store" and "eyJ" not in refused.text


def test_a_gate_that_cannot_be_asked(ready: str, open_gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    refused = example(monkeypatch, nowhere).get("/checkout", headers={"jwt": ready})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    wrong_key = example(monkeypatch, open_gate.url, "sk_of_nobody").get("/checkout", headers={"jwt": ready})
    assert wrong_key.status_code == 503, "a matter of the operator's, not of the visitor's"

    app = FastAPI()
    admits = require_ready(AsyncGatekeeper(nowhere, FULL_KEY, attempts=1), if_unreachable="admit")

    @app.get("/checkout")
    async def checkout(visitor: Visitor = Depends(admits)) -> str:
        return visitor.user

    shop = TestClient(app)
    assert shop.get("/checkout", headers={"jwt": ready}).json().startswith("ready-")
    assert shop.get("/checkout", headers={"jwt": "eyJ.made.up"}).json() == ""
    assert shop.get("/checkout").status_code == 403, "who shows nothing did not come in"


def test_a_backend_behind_the_gate_may_serve_who_was_forwarded_without_a_token(busy_gate: Gate) -> None:
    with Gatekeeper(busy_gate.url, FULL_KEY) as client:
        waiting = client.enqueue("waits-too").token
    app = FastAPI()
    admits = require_ready(AsyncGatekeeper(busy_gate.url, FULL_KEY), if_no_token="admit")

    @app.get("/api")
    async def api(visitor: Visitor = Depends(admits)) -> str:
        return visitor.user

    assert TestClient(app).get("/api").json() == ""
    assert TestClient(app).get("/api", headers={"jwt": waiting}).status_code == 403
