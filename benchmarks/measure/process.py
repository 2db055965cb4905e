"""Measurements in processes of their own, which start afresh and may be pinned, time out or fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}


class Failed(RuntimeError):
    """The process gave no answer; its last words."""


def answer(module, *arguments, timeout=None, environment=None):
    """What `python -m benchmarks.measure.MODULE ARGUMENTS` prints in its last line, which is JSON.

    Raises
    ------
    Failed
        If it ends with an error, or takes longer than `timeout` (s).
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.measure.{module}", *arguments],
            cwd=Path(__file__).parents[2],
            env=os.environ | (environment or {}),
            timeout=timeout,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"took more than {timeout} s") from None
    if done.returncode:
        raise Failed((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.splitlines()[-1])
