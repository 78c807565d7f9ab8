"""A stand-in that answers as it is told, for what the real gate does only when it is ill. Each connection is one request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

Act = Callable[[socket.socket, threading.Event], None]


def answer(status: int, body: Any, *, retry_after: int | None = None) -> Act:
    """This answer, then the end of the connection."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    again = f"Retry-After: {retry_after}\r\n" if retry_after is not None else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n{again}Connection: close\r\n\r\n"

    def act(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall((head + text).encode())

    return act


def hang(_: socket.socket, is_over: threading.Event) -> None:
    """No answer, for as long as the test lasts."""
    is_over.wait()


class Scripted:
    """Does one act for each request; `seen` are the requests."""

    def __init__(self, *acts: Act) -> None:
        self.seen: list[bytes] = []
        self._acts = acts
        self._is_over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Scripted:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        for act in self._acts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(connection, act))
            self._threads.append(thread)
            thread.start()

    def _answer(self, connection: socket.socket, act: Act) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            self.seen.append(request)
            act(connection, self._is_over)
