"""The two clients: one blocks, one awaits. What they say and when they try again is in `calls`."""

from __future__ import annotations

import asyncio
import ssl
import time
from types import TracebackType
from typing import TypeVar

import httpx

from . import calls
from .answers import Enqueued, Status
from .calls import Bounds, Call
from .errors import GatekeeperError

T = TypeVar("T")


class _Settings:
    """What both clients are made with."""

    def __init__(self, url: str, key: str, bounds: Bounds, tls: ssl.SSLContext | None) -> None:
        address = httpx.URL(url)
        if address.scheme not in ("http", "https") or not address.host:
            raise ValueError("url must be the gate's origin, as in http://gatekeeper:8000")
        if not key or not key.isascii() or not key.isprintable():
            raise ValueError("key must be the room's API key")
        self.bounds = bounds
        self.base_url = url.rstrip("/") + calls.PREFIX
        self.headers = {"business-id": key, "accept": "application/json"}
        self.timeout = bounds.for_httpx()
        self.verify: ssl.SSLContext | bool = tls or True


class Gatekeeper:
    """Calls a gate, and blocks. May be used by several threads at once; close it, or use it in a `with`."""

    def __init__(
        self, url: str, key: str, *, timeout: float = 5.0, attempts: int = 3, tls: ssl.SSLContext | None = None
    ) -> None:
        """`url`: the gate's origin. `key`: of scope `full` for `verify` and `finish`, else `browser` will do.
        `timeout`: seconds for each of at most `attempts` attempts. `tls`: for certificates of an authority of your own."""
        settings = _Settings(url, key, Bounds(timeout=timeout, attempts=attempts), tls)
        self._bounds = settings.bounds
        # A proxy that the environment names is for the world outside.
        self._http = httpx.Client(
            base_url=settings.base_url,
            headers=settings.headers,
            timeout=settings.timeout,
            verify=settings.verify,
            trust_env=False,
        )

    def enqueue(self, user: str) -> Enqueued:
        """Takes a place for a user: 1 to 128 visible ASCII characters. Keep the token: it is handed out once."""
        return self._send(calls.enqueue(user))

    def status(self, token: str) -> Status:
        """Where the visitor stands; the `token` of the answer counts from now on."""
        return self._send(calls.status(token))

    def verify(self, token: str) -> bool:
        """Whether the visitor may be served now. `TokenRefused` where the token isn't a current one of this room."""
        return self._send(calls.verify(token))

    def finish(self, token: str) -> bool:
        """Ends the visit and frees the slot: the token opens nothing any more. False: there was no turn to end."""
        return self._send(calls.finish(token))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Gatekeeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._try(call)
            except GatekeeperError as error:
                pause = self._bounds.pause(error, call, attempt)
                if pause is None:
                    raise
            time.sleep(pause)

    def _try(self, call: Call[T]) -> T:
        try:
            response = self._http.request(call.method, call.path, headers=dict(call.headers))
        except httpx.RequestError as error:
            raise calls.unreachable(error) from error
        return calls.read(call, response)


class AsyncGatekeeper:
    """Calls a gate, and awaits. May be used by many tasks at once; close it, or use it in an `async with`."""

    def __init__(
        self, url: str, key: str, *, timeout: float = 5.0, attempts: int = 3, tls: ssl.SSLContext | None = None
    ) -> None:
        """As `Gatekeeper`."""
        self._settings = _Settings(url, key, Bounds(timeout=timeout, attempts=attempts), tls)
        self._http: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def enqueue(self, user: str) -> Enqueued:
        """As `Gatekeeper.enqueue`."""
        return await self._send(calls.enqueue(user))

    async def status(self, token: str) -> Status:
        """As `Gatekeeper.status`."""
        return await self._send(calls.status(token))

    async def verify(self, token: str) -> bool:
        """As `Gatekeeper.verify`."""
        return await self._send(calls.verify(token))

    async def finish(self, token: str) -> bool:
        """As `Gatekeeper.finish`."""
        return await self._send(calls.finish(token))

    async def aclose(self) -> None:
        if self._http is not None and self._loop is asyncio.get_running_loop():
            await self._http.aclose()
        self._http = None

    async def __aenter__(self) -> AsyncGatekeeper:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._try(call)
            except GatekeeperError as error:
                pause = self._settings.bounds.pause(error, call, attempt)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _try(self, call: Call[T]) -> T:
        try:
            response = await self._connections().request(call.method, call.path, headers=dict(call.headers))
        except httpx.RequestError as error:
            raise calls.unreachable(error) from error
        return calls.read(call, response)

    def _connections(self) -> httpx.AsyncClient:
        # Connections belong to the loop that made them, and a test client makes a loop for each request.
        loop = asyncio.get_running_loop()
        if self._http is None or self._loop is not loop:
            settings = self._settings
            self._loop = loop
            self._http = httpx.AsyncClient(
                base_url=settings.base_url,
                headers=settings.headers,
                timeout=settings.timeout,
                verify=settings.verify,
                trust_env=False,
            )
        return self._http
