"""For Django: a middleware that serves the protected paths only to those whose turn has come.

    MIDDLEWARE = [..., "gatekeeper_client.django.GatekeeperMiddleware"]
    GATEKEEPER = {"URL": "http://gatekeeper:8000", "KEY": os.environ["SHOP_KEY"], "PROTECT": ["/checkout"]}

A view finds the `Visitor` in `request.visitor`, and ends the visit by `gate().finish(request.visitor.token)`. Who may not
be served gets 403; where the gate can't be asked, 503 with `Retry-After`. `"/checkout"` is that path and all below it.

Further settings: `IF_UNREACHABLE` and `IF_NO_TOKEN` ("refuse", or "admit" only for a site that can be reached through the gate
alone), `TIMEOUT` (seconds for each attempt) and `ATTEMPTS`. An unknown one is an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from .answers import Visitor
from .clients import Gatekeeper
from .entrance import CHOICES, Refusal, judge, judge_error, judge_missing, token_of
from .errors import GatekeeperError

DEFAULTS: dict[str, Any] = {
    "PROTECT": ["/"],
    "IF_UNREACHABLE": "refuse",
    "IF_NO_TOKEN": "refuse",
    "TIMEOUT": 5.0,
    "ATTEMPTS": 3,
}


@cache
def options() -> dict[str, Any]:
    """`settings.GATEKEEPER`, checked and complete."""
    given = dict(getattr(settings, "GATEKEEPER", {}))
    known = {"URL", "KEY", *DEFAULTS}
    if unknown := sorted(given.keys() - known):
        raise ImproperlyConfigured(f"GATEKEEPER has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    if missing := sorted({"URL", "KEY"} - given.keys()):
        raise ImproperlyConfigured(f"GATEKEEPER lacks {' and '.join(missing)}.")
    made = DEFAULTS | given
    for name in ("IF_UNREACHABLE", "IF_NO_TOKEN"):
        if made[name] not in CHOICES:
            raise ImproperlyConfigured(f"GATEKEEPER['{name}'] must be one of {', '.join(CHOICES)}.")
    if isinstance(made["PROTECT"], str) or not all(path.startswith("/") for path in made["PROTECT"]):
        raise ImproperlyConfigured("GATEKEEPER['PROTECT'] must be a list of paths, each with a / in front.")
    return made


@cache
def gate() -> Gatekeeper:
    """The client that the settings describe; one for the whole process."""
    made = options()
    try:
        return Gatekeeper(made["URL"], made["KEY"], timeout=made["TIMEOUT"], attempts=made["ATTEMPTS"])
    except ValueError as error:
        raise ImproperlyConfigured(f"GATEKEEPER: {error}.") from None


def _forget(setting: str, **_: Any) -> None:
    if setting == "GATEKEEPER":
        options.cache_clear()
        gate.cache_clear()


setting_changed.connect(_forget)


class GatekeeperMiddleware:
    """Serves under WSGI and ASGI; under ASGI the gate is asked in a thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        gate()  # a mistake in the settings is told at the start

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._awaited(request)
        response: HttpResponseBase = self._refused(request) or self._get_response(request)
        return response

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        refused = await sync_to_async(self._refused, thread_sensitive=False)(request)
        response: HttpResponseBase = refused or await self._get_response(request)
        return response

    def _refused(self, request: HttpRequest) -> JsonResponse | None:
        if not _is_protected(request):
            return None
        verdict = _verdict(token_of(request.headers, request.GET))
        if isinstance(verdict, Refusal):
            response = JsonResponse(verdict.body(), status=verdict.status, headers=verdict.headers())
            response.headers["Content-Type"] = "application/problem+json"
            return response
        request.visitor = verdict
        return None


def _is_protected(request: HttpRequest) -> bool:
    # What a browser asks before a request of another origin carries no token, and gets nothing of the site.
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        return False
    # The path that the URL patterns are matched with, so that the two can't differ.
    path = request.path_info
    roots = (root.rstrip("/") for root in options()["PROTECT"])
    return any(path == root or path.startswith(root + "/") for root in roots)


def _verdict(token: str) -> Visitor | Refusal:
    if not token:
        return judge_missing(options()["IF_NO_TOKEN"])
    try:
        return judge(token, gate().verify(token))
    except GatekeeperError as error:
        return judge_error(token, error, options()["IF_UNREACHABLE"])
