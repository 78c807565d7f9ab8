"""The calls without their transport: what is sent, what an answer means, and when to try again.

Both clients are made of this, so that they can't differ. To add a call: its function here, and one line in each client.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import httpx

from .answers import Enqueued, Status
from .errors import KINDS, GatekeeperError, InvalidRequest, NotUnderstood, TokenRefused, Unreachable

T = TypeVar("T")

#: Served by every gate, whatever its `server.api_prefix`.
PREFIX = "/.gatekeeper"

#: What can be sent as a header; a token is far below it in length.
VISIBLE = re.compile(r"[!-~]{1,8192}")

#: The connection was never made, so that the gate saw nothing.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call, and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    headers: Mapping[str, str] = field(repr=False)
    #: Whether it may be sent again though it may have taken effect.
    is_repeatable: bool = True


def enqueue(user: str) -> Call[Enqueued]:
    if not VISIBLE.fullmatch(user):
        wrong = "must be 1 to 128 visible ASCII characters"
        raise InvalidRequest(f"user {wrong}.", errors={"user_id": wrong}, code="invalid_field")
    # Never again after it may have arrived: the token is handed out once, and an answer that got lost took it along.
    return Call(
        "POST",
        "/queue/enqueue",
        lambda response: Enqueued.read(response.json()),
        {"user-id": user},
        is_repeatable=False,
    )


def status(token: str) -> Call[Status]:
    return Call(
        "GET", "/queue/status", lambda response: Status.read(response.json(), response.headers), _shown(token)
    )


def verify(token: str) -> Call[bool]:
    return Call("GET", "/queue/verify", lambda response: bool(response.json()["ready"]), _shown(token))


def finish(token: str) -> Call[bool]:
    return Call(
        "DELETE", "/queue/finish", lambda response: bool(response.json()["status"] == "ready_cleared"), _shown(token)
    )


def _shown(token: str) -> Mapping[str, str]:
    # It may be anything that a visitor wrote into an address.
    if not token:
        raise TokenRefused("There is no token.", code="missing_token")
    if not VISIBLE.fullmatch(token):
        raise TokenRefused("The token is malformed.", code="invalid_token")
    return {"jwt": token}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a call may take in all: each attempt its timeout, and between them what `pause` says."""

    #: Seconds for one attempt; to connect, at most two of them.
    timeout: float = 5.0
    attempts: int = 3
    #: A `Retry-After` beyond it isn't waited for, but told.
    longest_pause: float = 2.0

    def __post_init__(self) -> None:
        if self.timeout <= 0 or self.attempts < 1 or self.longest_pause < 0:
            raise ValueError("timeout must be above 0, attempts at least 1, longest_pause at least 0")

    def for_httpx(self) -> httpx.Timeout:
        return httpx.Timeout(self.timeout, connect=min(2.0, self.timeout))

    def pause(self, error: GatekeeperError, call: Call[Any], attempt: int) -> float | None:
        """Seconds until the next attempt; None: that was the last."""
        if attempt >= self.attempts or not _may_repeat(error, call):
            return None
        pause = max(error.retry_after, 0.1 * 2**attempt * random.uniform(0.8, 1.2))
        return pause if pause <= self.longest_pause else None


def _may_repeat(error: GatekeeperError, call: Call[Any]) -> bool:
    if isinstance(error, Unreachable):
        return call.is_repeatable or isinstance(error.__cause__, NOT_SENT)
    # The gate, or what stands before it, refused: nothing took effect where the gate said so itself.
    is_gates = error.code not in ("not_understood", "internal")
    return error.status in (429, 500, 502, 503, 504) and (call.is_repeatable or is_gates)


def read(call: Call[T], response: httpx.Response) -> T:
    """The answer, or the error that it is."""
    if response.is_success:
        try:
            return call.read(response)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _not_understood(response) from None
    raise _refusal(response)


def unreachable(error: httpx.RequestError) -> Unreachable:
    # By class name: the text of some names what was sent.
    failed = Unreachable(f"The gate did not answer ({type(error).__name__}).", code="no_answer")
    failed.__cause__ = error
    return failed


def _refusal(response: httpx.Response) -> GatekeeperError:
    try:
        problem = response.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return _not_understood(response)
    more: dict[str, Any] = {"code": code, "status": response.status_code, "retry_after": _retry_after(response)}
    if kind := KINDS.get(code):
        return kind(detail, **more)
    if response.status_code < 500 and code not in ("not_found", "method_not_allowed"):
        errors = {entry["field"]: entry["message"] for entry in problem.get("errors", [])}
        return InvalidRequest(detail, errors=errors, **more)
    return GatekeeperError(detail, **more)


def _not_understood(response: httpx.Response) -> NotUnderstood:
    status_code = response.status_code
    return NotUnderstood(
        f"The answer ({status_code}) is not the gate's. Check the address.",
        code="not_understood",
        status=status_code,
        retry_after=_retry_after(response),
    )


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else 0.0
