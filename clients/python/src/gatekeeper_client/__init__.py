"""Gatekeeper's queue API for a site's backend.

`Gatekeeper` and `AsyncGatekeeper` take the same calls: `enqueue`, `status`, `verify`, `finish`. Every error is a
`GatekeeperError`, one class for each thing to do about it. For web frameworks: `gatekeeper_client.fastapi` and
`gatekeeper_client.django`.

Promises: a call ends within its bounds of time and attempts; an `enqueue` that may have taken effect is not sent again; no
token and no key stands in an error or in the `repr` of anything.
"""

from .answers import Enqueued, Eta, Status, Visitor
from .clients import AsyncGatekeeper, Gatekeeper
from .errors import (
    GatekeeperError,
    InvalidRequest,
    KeyRefused,
    NotNow,
    NotUnderstood,
    TokenRefused,
    Unreachable,
)

__all__ = [
    "AsyncGatekeeper",
    "Enqueued",
    "Eta",
    "Gatekeeper",
    "GatekeeperError",
    "InvalidRequest",
    "KeyRefused",
    "NotNow",
    "NotUnderstood",
    "Status",
    "TokenRefused",
    "Unreachable",
    "Visitor",
]
