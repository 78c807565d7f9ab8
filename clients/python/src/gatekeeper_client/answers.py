"""What the gate says, as values. Tokens stand in no `repr`, so that none gets into a log by accident."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

State = Literal["waiting", "ready", "paused", "closed", "unknown"]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A place that was taken, or that was there already."""

    #: Empty where the user had a place already: the token of a place is handed out once.
    token: str = field(repr=False)
    #: 1 is the head of the line; None: the turn has come already.
    position: int | None
    message: str

    @property
    def is_new(self) -> bool:
        return bool(self.token)

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Enqueued:
        return cls(token=body["jwt"], position=body["position"], message=body["message"])


@dataclass(frozen=True, slots=True)
class Eta:
    """The estimated wait in seconds, as a range."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Status:
    """Where a visitor stands."""

    #: To be used from now on.
    token: str = field(repr=False)
    state: State
    is_ready: bool
    #: 1 is the head of the line; None where the visitor isn't in it.
    position: int | None
    #: People in the line.
    waiting: int
    eta: Eta | None
    #: Seconds until it makes sense to ask again.
    poll_after: float
    #: The end of the turn, once it has come.
    expires_at: datetime | None
    #: The operator's words.
    message: str | None
    #: "User not found in queue. Enqueue again.", or None.
    warning: str | None
    #: Nothing moves at the moment, and no place is lost.
    is_store_away: bool

    @classmethod
    def read(cls, body: Mapping[str, Any], headers: Mapping[str, str]) -> Status:
        eta, expires_at = body["eta_seconds"], body["expires_at"]
        return cls(
            token=body["jwt_token"],
            state=body["state"],
            is_ready=body["ready"],
            position=body["position"],
            waiting=body["waiting"],
            eta=Eta(eta["low"], eta["high"]) if eta else None,
            poll_after=body["poll_after_ms"] / 1000,
            # Python 3.10 reads no "Z".
            expires_at=datetime.fromisoformat(expires_at.replace("Z", "+00:00")) if expires_at else None,
            message=body["message"],
            warning=body["warning_msg"],
            is_store_away=headers.get("gatekeeper-store") == "away",
        )


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose turn has come: made of a token that the gate has verified.

    Where it could not be asked, and who came is to be admitted, nothing has: `user` and `room` are then what a client says.
    """

    token: str = field(repr=False)

    @property
    def user(self) -> str:
        """The user id that the place was taken with; a random one for browsers that came by the waiting page."""
        return str(self._claims().get("sub", ""))

    @property
    def room(self) -> str:
        return str(self._claims().get("aud", ""))

    def _claims(self) -> Mapping[str, Any]:
        # The signature was checked by the gate.
        try:
            payload = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            return {}
        return claims if isinstance(claims, dict) else {}
