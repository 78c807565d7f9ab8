"""For FastAPI (and Starlette's requests): a dependency that serves only whose turn has come.

    ready = require_ready(AsyncGatekeeper(url, key))

    @app.get("/checkout")
    async def checkout(visitor: Annotated[Visitor, Depends(ready)]): ...

Who may not be served gets 403; where the gate can't be asked, 503 with `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request

from .answers import Visitor
from .clients import AsyncGatekeeper
from .entrance import Choice, Refusal, judge, judge_error, judge_missing, token_of
from .errors import GatekeeperError


def require_ready(
    gate: AsyncGatekeeper, *, if_unreachable: Choice = "refuse", if_no_token: Choice = "refuse"
) -> Callable[[Request], Awaitable[Visitor]]:
    """Makes the dependency. "admit" only for a backend that can be reached through the gate alone."""

    async def ready(request: Request) -> Visitor:
        token = token_of(request.headers, request.query_params)
        verdict = await _verdict(gate, token, if_unreachable) if token else judge_missing(if_no_token)
        if isinstance(verdict, Refusal):
            raise HTTPException(verdict.status, verdict.body(), verdict.headers())
        return verdict

    return ready


async def _verdict(gate: AsyncGatekeeper, token: str, if_unreachable: Choice) -> Visitor | Refusal:
    try:
        return judge(token, await gate.verify(token))
    except GatekeeperError as error:
        return judge_error(token, error, if_unreachable)
