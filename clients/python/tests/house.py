"""The real gate, with a configuration of its own on free ports; stopped when its `with` ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("GATEKEEPER_BIN", ROOT / "target/debug/gatekeeper"))
FULL_KEY = "sk_python_tests_full"
BROWSER_KEY = "pk_python_tests"

#: One person an hour: whoever stands in the line stays there until a test changes the settings.
STANDING_STILL = {"admission_limit": 1, "admission_frequency": 3600}
EVERYBODY = {"admission_limit": 1000, "admission_frequency": 1}

T = TypeVar("T")


def until(what: str, ask: Callable[[], T | None], seconds: float = 15.0) -> T:
    """Only for what another process does: asks until the answer is truthy."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return answer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Gate:
    """A gate in front of `origin` (host:port), whose paths `protect` are guarded."""

    def __init__(self, settings: Mapping[str, Any], origin: str = "127.0.0.1:9", protect: str = "/checkout/**") -> None:
        assert PROGRAM.exists(), f'There is no {PROGRAM}. Run "cargo build", or name the program in GATEKEEPER_BIN.'
        self._configuration = (settings, origin, protect)
        self._stack = ExitStack()

    def __enter__(self) -> Gate:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gatekeeper-python-")))
        self._file, self._log = folder / "gatekeeper.toml", folder / "log"
        self._stack.callback(self.kill)
        # A free port can be taken between asking and using.
        for _ in range(3):
            self.port = free_port()
            self._file.write_text(self._toml(folder))
            if self._start():
                return self
            self.kill()
        self._stack.close()
        raise AssertionError(f"the gate did not start:\n{self._log.read_text() if self._log.exists() else ''}")

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        if process := getattr(self, "_process", None):
            process.kill()
            process.wait()

    def restart(self) -> None:
        assert self._start(), "the gate did not start again"

    def configure(self, **change: Any) -> None:
        answer = httpx.post(f"{self.url}/config", headers={"business_id": FULL_KEY}, json=change, trust_env=False)
        assert answer.status_code == 200, answer.text

    def _start(self) -> bool:
        with self._log.open("ab") as log:
            command = [PROGRAM, "run", "--config", self._file]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._file.parent)
        process = self._process

        def is_settled() -> bool:
            if process.poll() is not None:
                return True
            try:
                return httpx.get(f"{self.url}/health/ready", trust_env=False).status_code in (200, 503)
            except httpx.TransportError:
                return False

        until("the gate listens", is_settled)
        return process.poll() is None

    def _toml(self, folder: Path) -> str:
        settings, origin, protect = self._configuration
        # All tests come from one address.
        all_settings = {"ip_enqueue_limit": 100_000, "ip_status_polling_limit": 100_000, **settings}
        fields = ", ".join(f"{name} = {json.dumps(value)}" for name, value in all_settings.items())
        return f"""
[server]
listen = ["127.0.0.1:{self.port}"]
state_dir = {json.dumps(str(folder / "state"))}
[tokens]
secrets = ["a secret for the python tests, 40 letters"]
[[rooms]]
name = "shop"
keys = [{{ key = "{FULL_KEY}", scope = "full" }}, {{ key = "{BROWSER_KEY}", scope = "browser" }}]
settings = {{ {fields} }}
[[rooms]]
name = "other"
keys = [{{ key = "sk_other", scope = "full" }}]
[[sites]]
hosts = ["*"]
origins = ["{origin}"]
room = "shop"
protect = ["{protect}"]
"""
