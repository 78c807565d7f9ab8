"""Who may be served: the rule that the framework parts share.

A request that came through the gate shows its token in the header `jwt`; what a client sends under that name the gate
removes. A backend that can be reached past the gate may be shown anything, so the gate itself verifies every token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .answers import Visitor
from .errors import GatekeeperError, TokenRefused

#: What to do where the gate can't be asked (`refuse`: 503), and with a request that shows no token (`refuse`: 403). `admit`
#: is for backends that can be reached through the gate alone: it has let in whoever came, and where nobody waits it sends no
#: token along.
Choice = Literal["refuse", "admit"]

CHOICES: tuple[Choice, ...] = ("refuse", "admit")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request isn't served, as HTTP says it."""

    status: int
    code: str
    detail: str
    retry_after: int = 0

    def headers(self) -> dict[str, str]:
        headers = {"Cache-Control": "no-store"}
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    def body(self) -> dict[str, str | int]:
        return {"title": "Not served", "status": self.status, "code": self.code, "detail": self.detail}


NO_TOKEN = Refusal(403, "missing_token", "Come in by the waiting room: this request shows no token of it.")
NOT_READY = Refusal(403, "not_ready", "It is not your turn, or your turn has ended. Join the line again.")


def token_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The visitor's token: the gate's header before the address, whose token may be an old one."""
    return headers.get("jwt") or query.get("jwt") or ""


def judge_missing(if_no_token: Choice) -> Visitor | Refusal:
    return Visitor("") if if_no_token == "admit" else NO_TOKEN


def judge(token: str, ready: bool) -> Visitor | Refusal:
    return Visitor(token) if ready else NOT_READY


def judge_error(token: str, error: GatekeeperError, if_unreachable: Choice) -> Visitor | Refusal:
    """A token that is refused is its visitor's matter. Everything else, a wrong key included, is the operator's."""
    if isinstance(error, TokenRefused):
        return Refusal(403, error.code, NOT_READY.detail)
    if if_unreachable == "admit":
        return Visitor(token)
    return Refusal(503, "gate_unreachable", "The waiting room can't be asked at the moment.", int(error.retry_after) or 5)
