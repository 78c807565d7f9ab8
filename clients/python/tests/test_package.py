"""The package as such: the example of the calls, the types, and that they reach who installs it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from house import FULL_KEY, Gate

HERE = Path(__file__).resolve().parents[1]


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=HERE, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_of_the_calls_runs_to_its_end(open_gate: Gate) -> None:
    printed = run("examples/server_side.py", GATEKEEPER_URL=open_gate.url, SHOP_KEY=FULL_KEY)
    assert printed.endswith("may be served: True\nfinished: True\n"), printed


def test_the_types_hold_strictly() -> None:
    assert "no issues found" in run("-m", "mypy")


def test_the_package_says_that_it_is_typed_and_needs_httpx_alone() -> None:
    assert files("gatekeeper_client").joinpath("py.typed").is_file()
    needed = [line for line in distribution("gatekeeper-client").requires or [] if "extra ==" not in line]
    assert [line.split("<")[0].split(">")[0] for line in needed] == ["httpx"]
