"""Both clients against the real gate: every promise is tested with the one that blocks and the one that awaits."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import time
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

import pytest
from gatekeeper_client import (
    AsyncGatekeeper,
    Gatekeeper,
    GatekeeperError,
    InvalidRequest,
    KeyRefused,
    NotNow,
    NotUnderstood,
    TokenRefused,
    Unreachable,
)
from house import BROWSER_KEY, EVERYBODY, FULL_KEY, Gate, free_port
from scripted import Scripted, answer, hang

pytestmark = pytest.mark.anyio


class Either:
    """A client of either kind, awaited in the same way."""

    def __init__(self, kind: type[Gatekeeper] | type[AsyncGatekeeper], *arguments: Any, **options: Any) -> None:
        self.client = kind(*arguments, **options)

    async def __call__(self, name: str, argument: str) -> Any:
        result = getattr(self.client, name)(argument)
        return await result if inspect.isawaitable(result) else result


@pytest.fixture(params=[Gatekeeper, AsyncGatekeeper], ids=["sync", "async"])
async def made(request: pytest.FixtureRequest) -> Any:
    """Makes clients, and closes them at the end."""
    clients: list[Either] = []

    def make(*arguments: Any, **options: Any) -> Either:
        clients.append(Either(request.param, *arguments, **options))
        return clients[-1]

    yield make
    for either in clients:
        if isinstance(either.client, AsyncGatekeeper):
            await either.client.aclose()
        else:
            either.client.close()


def named(what: str) -> str:
    """A user id that no other test has."""
    return f"{what}-{uuid4().hex}"


async def entered(call: Either, user: str) -> str:
    """The token of a user whose turn has come."""
    token = (await call("enqueue", user)).token
    end = time.monotonic() + 15
    while not (status := await call("status", token)).is_ready:
        assert time.monotonic() < end, f"no turn came: {status}"
        time.sleep(0.1)
    return str(status.token)


async def test_a_visit_from_the_first_call_to_the_last(open_gate: Gate, made: Any) -> None:
    call = made(open_gate.url, FULL_KEY)
    user = named("alice")
    first = await call("enqueue", user)
    assert first.is_new and first.position >= 1 and first.message == "User enqueued successfully."
    token = await entered(call, named("bob"))
    status = await call("status", token)
    assert status.state == "ready" and status.position is None and status.warning is None
    assert status.expires_at > datetime.now(timezone.utc)
    assert await call("verify", token) is True
    assert await call("finish", token) is True
    assert await call("finish", token) is False
    assert await call("verify", token) is False
    gone = await call("status", token)
    assert gone.state == "unknown" and gone.warning == "User not found in queue. Enqueue again."


async def test_who_waits_is_told_where(busy_gate: Gate, made: Any) -> None:
    call = made(busy_gate.url, BROWSER_KEY)
    user = named("alice")
    first = await call("enqueue", user)
    again = await call("enqueue", user)
    assert not again.is_new and again.token == "" and again.position == first.position
    # The line as a whole is looked at four times a second.
    for _ in range(40):
        status = await call("status", first.token)
        if status.position == first.position and status.waiting >= 1:
            break
        await asyncio.sleep(0.05)
    assert status.state == "waiting" and not status.is_ready and status.position == first.position
    assert status.waiting >= 1 and status.poll_after > 0 and not status.is_store_away
    full = made(busy_gate.url, FULL_KEY)
    assert await full("verify", first.token) is False
    assert await full("finish", first.token) is False


async def test_errors_come_by_what_to_do_about_them(open_gate: Gate, made: Any) -> None:
    call, nobody = made(open_gate.url, FULL_KEY), made(open_gate.url, "pk_of_nobody")
    browser, other = made(open_gate.url, BROWSER_KEY), made(open_gate.url, "sk_other")
    token = (await call("enqueue", named("alice"))).token
    cases: list[tuple[Either, str, str, type[GatekeeperError], str, int]] = [
        (nobody, "verify", token, KeyRefused, "unknown_key", 401),
        (browser, "verify", token, KeyRefused, "key_scope", 403),
        (other, "verify", token, TokenRefused, "wrong_room", 403),
        (call, "verify", token[:-3] + "AAA", TokenRefused, "invalid_token", 401),
        (call, "status", "a token with spaces\r\n", TokenRefused, "invalid_token", 0),
        (call, "finish", "", TokenRefused, "missing_token", 0),
        (call, "enqueue", "x" * 129, InvalidRequest, "invalid_field", 422),
        (call, "enqueue", "zwei Wörter", InvalidRequest, "invalid_field", 0),
    ]
    for client, name, argument, kind, code, status in cases:
        with pytest.raises(kind) as caught:
            await client(name, argument)
        assert (caught.value.code, caught.value.status) == (code, status), (name, code)
        if isinstance(caught.value, InvalidRequest):
            assert "user_id" in caught.value.errors


async def test_nothing_secret_is_printed(open_gate: Gate, made: Any) -> None:
    call = made(open_gate.url, FULL_KEY)
    token = await entered(call, named("alice"))
    first, status = await call("enqueue", named("bob")), await call("status", token)
    with pytest.raises(TokenRefused) as refused:
        await call("verify", token[:-3] + "AAA")
    with pytest.raises(Unreachable) as unreachable:
        await made(f"http://127.0.0.1:{free_port()}", FULL_KEY, attempts=1)("verify", token)
    printed = f"{call.client!r} {first!r} {status!r} {refused.value!r} {unreachable.value!r} {vars(unreachable.value)}"
    assert first.token.startswith("eyJ") and "eyJ" not in printed and FULL_KEY not in printed


async def test_a_gate_that_is_down_is_given_up_within_the_bounds(made: Any) -> None:
    call = made(f"http://127.0.0.1:{free_port()}", FULL_KEY, timeout=1.0, attempts=3)
    start = time.monotonic()
    for name in ("verify", "finish", "status", "enqueue"):
        with pytest.raises(Unreachable) as caught:
            await call(name, "alice")
        assert caught.value.code == "no_answer" and caught.value.status == 0
    assert time.monotonic() - start < 8


async def test_what_did_not_arrive_is_sent_again_and_what_may_have_is_not(made: Any) -> None:
    with Scripted(hang, answer(200, {"message": "", "ready": True})) as gate:
        call = made(gate.url, FULL_KEY, timeout=0.3)
        assert await call("verify", "a.b.c") is True, "a question may be asked twice"
    with Scripted(hang, answer(200, {"jwt": "a.b.c", "position": 1, "message": ""})) as gate:
        call = made(gate.url, FULL_KEY, timeout=0.3)
        with pytest.raises(Unreachable):
            await call("enqueue", "alice")
        assert len(gate.seen) == 1, "the first answer may hold the only token"


async def test_a_short_retry_after_is_waited_for_and_a_long_one_is_told(made: Any) -> None:
    limited = {"code": "rate_limited", "detail": "Too many calls."}
    entered_body = {"jwt": "a.b.c", "position": 7, "message": ""}
    with Scripted(answer(429, limited, retry_after=1), answer(200, entered_body)) as gate:
        start = time.monotonic()
        assert (await made(gate.url, FULL_KEY)("enqueue", "alice")).position == 7
        assert time.monotonic() - start >= 1
    with Scripted(answer(503, {"code": "room_closed", "detail": "Closed."}, retry_after=60)) as gate:
        with pytest.raises(NotNow) as caught:
            await made(gate.url, FULL_KEY)("enqueue", "alice")
        assert (caught.value.code, caught.value.retry_after, len(gate.seen)) == ("room_closed", 60, 1)
    with Scripted(answer(503, limited), answer(503, limited)) as gate:
        with pytest.raises(NotNow):
            await made(gate.url, FULL_KEY, attempts=2)("verify", "a.b.c")
        assert len(gate.seen) == 2, "no more than it was told"


async def test_an_answer_that_is_not_the_gates_is_said_to_be(made: Any) -> None:
    for strange in (answer(200, "<h1>Login</h1>"), answer(200, {"redy": 1}), answer(404, "nothing"), answer(200, [])):
        with Scripted(strange) as gate:
            with pytest.raises(NotUnderstood) as caught:
                await made(gate.url, FULL_KEY, attempts=1)("verify", "a.b.c")
            assert "Login" not in str(caught.value)


async def test_a_restarted_gate_is_found_again(made: Any) -> None:
    with Gate(EVERYBODY) as gate:
        call = made(gate.url, FULL_KEY)
        token = await entered(call, "alice")
        gate.kill()
        gate.restart()
        assert await call("verify", token) is True


def test_mistakes_in_the_settings_are_told_at_once() -> None:
    for kind in (Gatekeeper, AsyncGatekeeper):
        for arguments, options, word in [
            (("gatekeeper:8000", FULL_KEY), {}, "url"),
            (("http://gatekeeper:8000", ""), {}, "key"),
            (("http://gatekeeper:8000", "schlüssel"), {}, "key"),
            (("http://gatekeeper:8000", FULL_KEY), {"timeout": 0}, "timeout"),
            (("http://gatekeeper:8000", FULL_KEY), {"attempts": 0}, "attempts"),
        ]:
            with pytest.raises(ValueError, match=word):
                kind(*arguments, **options)
    Gatekeeper("https://gatekeeper", FULL_KEY, tls=ssl.create_default_context()).close()
