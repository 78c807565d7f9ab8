"""The Django example: by Django's test client, and behind the real gate as a visitor meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import django
import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client, override_settings
from gatekeeper_client import Gatekeeper
from house import EVERYBODY, FULL_KEY, STANDING_STILL, Gate, free_port, until

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module", autouse=True)
def example() -> None:
    """Django is set up once in a process: with the example's settings, which each test points at its gate."""
    sys.path.insert(0, str(EXAMPLES))
    os.environ.update(GATEKEEPER_URL="http://127.0.0.1:9", SHOP_KEY=FULL_KEY, DJANGO_SETTINGS_MODULE="django_shop")
    django.setup()


def told(url: str, **more: Any) -> Any:
    return override_settings(GATEKEEPER={"URL": url, "KEY": FULL_KEY, "PROTECT": ["/checkout"], **more})


@pytest.fixture
def waiting(busy_gate: Gate) -> Iterator[str]:
    with Gatekeeper(busy_gate.url, FULL_KEY) as client:
        yield client.enqueue(f"waits-{uuid4().hex}").token


def test_whose_turn_it_is_is_served_until_the_visit_ends(open_gate: Gate, ready: str) -> None:
    with told(open_gate.url):
        shop = Client()
        served = shop.get("/checkout", headers={"jwt": ready})
        assert served.status_code == 200 and served.json()["served"].startswith("ready-")
        assert shop.post("/checkout/pay", headers={"jwt": ready}).json() == {"paid": True, "finished": True}
        after = shop.get("/checkout", headers={"jwt": ready})
        assert (after.status_code, after.json()["code"]) == (403, "not_ready")
        assert after.headers["Content-Type"] == "application/problem+json"


@pytest.mark.anyio
async def test_the_same_under_asgi(open_gate: Gate, ready: str, busy_gate: Gate, waiting: str) -> None:
    with told(open_gate.url):
        served = await AsyncClient().get("/checkout", headers={"jwt": ready})
        assert served.status_code == 200 and served.json()["served"].startswith("ready-")
    with told(busy_gate.url):
        assert (await AsyncClient().get("/checkout", headers={"jwt": waiting})).status_code == 403


def test_nobody_else_is_and_other_paths_are_free(busy_gate: Gate, waiting: str) -> None:
    with told(busy_gate.url):
        shop = Client()
        for path, headers, code in [
            ("/checkout", {}, "missing_token"),
            ("/checkout?jwt=%E2%9C%93%0A", {}, "invalid_token"),
            ("/checkout", {"jwt": waiting}, "not_ready"),
            ("/checkout/pay", {"jwt": "eyJ.made.up"}, "invalid_token"),
            ("/checkout/there/is/no/such/page", {}, "missing_token"),
        ]:
            refused = shop.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, code), path
            assert refused.headers["Cache-Control"] == "no-store"
        assert shop.get("/checkouts").status_code == 404, "no part of /checkout"
        preflight = shop.options("/checkout", headers={"access-control-request-method": "POST"})
        assert preflight.status_code == 405, "it carries no token, and is for the site to answer"


def test_a_gate_that_cannot_be_asked(ready: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with told(nowhere, ATTEMPTS=1):
        refused = Client().get("/checkout", headers={"jwt": ready})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    with told(nowhere, ATTEMPTS=1, IF_UNREACHABLE="admit"):
        assert Client().get("/checkout", headers={"jwt": ready}).status_code == 200
        assert Client().get("/checkout").status_code == 403
    with told(nowhere, IF_NO_TOKEN="admit"):
        assert Client().get("/checkout").json() == {"served": ""}


def test_mistakes_in_the_settings_are_told_at_the_start() -> None:
    good = {"URL": "http://gatekeeper", "KEY": FULL_KEY}
    for settings, word in [
        ({"URL": "http://gatekeeper"}, "lacks KEY"),
        ({**good, "PROTEKT": []}, "no PROTEKT"),
        ({**good, "PROTECT": "/checkout"}, "PROTECT"),
        ({**good, "PROTECT": ["checkout"]}, "PROTECT"),
        ({**good, "IF_UNREACHABLE": "maybe"}, "IF_UNREACHABLE"),
        ({**good, "IF_NO_TOKEN": "maybe"}, "IF_NO_TOKEN"),
        ({**good, "URL": "gatekeeper"}, "url"),
    ]:
        with override_settings(GATEKEEPER=settings), pytest.raises(ImproperlyConfigured, match=word):
            Client().get("/checkouts")


def test_behind_the_gate_a_visitor_gets_in_pays_and_is_out() -> None:
    port = free_port()
    with Gate(EVERYBODY, origin=f"127.0.0.1:{port}") as gate, served(port, gate):
        page = {"accept": "text/html", "sec-fetch-mode": "navigate"}
        with httpx.Client(base_url=gate.url, trust_env=False) as visitor:
            entered = visitor.get("/checkout", headers=page)
            assert entered.status_code == 200 and entered.json()["served"]
            assert visitor.post("/checkout/pay", headers=page).json() == {"paid": True, "finished": True}
            gate.configure(**STANDING_STILL)
            address = f"{gate.url}/checkout"
            until("it is full", lambda: httpx.get(address, headers=page, trust_env=False).status_code == 503)
            assert visitor.get("/checkout", headers=page).status_code == 503, "the old token opens nothing"


class served:
    """The example in a process of its own, as it would run."""

    def __init__(self, port: int, gate: Gate) -> None:
        self._port, self._gate = port, gate

    def __enter__(self) -> None:
        address = f"127.0.0.1:{self._port}"
        command = [sys.executable, "-W", "ignore", "-m", "django", "runserver", "--noreload", "--skip-checks", address]
        environment = {
            **os.environ,
            "GATEKEEPER_URL": self._gate.url,
            "SHOP_KEY": FULL_KEY,
            "DJANGO_SETTINGS_MODULE": "django_shop",
            "PYTHONPATH": str(EXAMPLES),
        }
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=EXAMPLES
        )
        until("the shop listens", lambda: self._process.poll() is not None or _listens(self._port))
        assert self._process.poll() is None, "the shop did not start"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/checkout", trust_env=False).status_code == 403
    except httpx.TransportError:
        return False
