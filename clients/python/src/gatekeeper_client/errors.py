"""What goes wrong, by what to do about it.

To add one: a class here, and its row in `KINDS` where the gate has a code for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GatekeeperError(Exception):
    """The base of all. Its text is the gate's own sentence, which repeats no token and no key."""

    def __init__(self, detail: str, *, code: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(detail)
        #: The gate's stable machine code (`expired_token`, `rate_limited` …); `no_answer` and `not_understood` are ours.
        self.code = code
        #: Of HTTP; 0: there was no answer.
        self.status = status
        #: Seconds before which the same call need not be tried again.
        self.retry_after = retry_after


class Unreachable(GatekeeperError):
    """No answer came in time. Whether an `enqueue` or a `finish` took effect isn't known."""


class NotNow(GatekeeperError):
    """Come again after `retry_after`: too many calls, a room that takes nobody, a store that is away."""


class KeyRefused(GatekeeperError):
    """The API key is missing, unknown, or not allowed to do this: a matter of configuration."""


class TokenRefused(GatekeeperError):
    """The token is missing, malformed, too old for this call, or of another room: its visitor isn't ready."""


class InvalidRequest(GatekeeperError):
    """The request makes no sense to the gate, a user id of more than 128 characters say. `errors` names the fields."""

    def __init__(self, detail: str, *, errors: Mapping[str, str], **more: Any) -> None:
        super().__init__(detail, **more)
        self.errors = dict(errors)


class NotUnderstood(GatekeeperError):
    """The answer isn't the gate's: a wrong address, or a proxy between."""


KINDS: Mapping[str, type[GatekeeperError]] = {
    "missing_key": KeyRefused,
    "unknown_key": KeyRefused,
    "key_scope": KeyRefused,
    "missing_token": TokenRefused,
    "invalid_token": TokenRefused,
    "expired_token": TokenRefused,
    "wrong_room": TokenRefused,
    "rate_limited": NotNow,
    "room_closed": NotNow,
    "store_unavailable": NotNow,
}
