"""Scripts in processes of their own, with some seconds of work at hand."""

import os
import subprocess
import sys

# Some ten seconds of work on one core, whose results are small.
LONG = """
import os, signal, sys, threading, time
import numpy as np, spinbound as sb
phase = np.linspace(0, 6, 1000)
seq = sb.Sequence(0.4 + 0.3 * np.sin(phase), 3e-4 + 1e-4 * np.cos(phase), 3.5e-3, gradient_moment="balanced")
basis = sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(1000, 5)))[0], seq=seq)
tissue = sb.Tissue(m0s=np.linspace(0.05, 0.3, 300)[:, None], R2f=np.linspace(8, 50, 300))
classes = tissue.replace(B1=np.linspace(0.5, 1.5, 300), T2s=np.geomspace(3e-6, 4e-5, 300)[:, None])
few = tissue[0, :3]
expected = sb.crb(seq, few, threads=1)["m0s"]

def later(delay, number):
    def send():
        time.sleep(delay)
        global sent
        sent = time.perf_counter()
        os.kill(os.getpid(), number)
    threading.Thread(target=send, daemon=True).start()
"""


def lines_of(script, *arguments):
    """The lines that a script prints; it must end well and complain of nothing."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, timeout=300, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\n")[:-1]


def outputs_by_threads(script):
    """What a script writes, as bytes, with one thread of the linear algebra library and with two."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    runs = (
        subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=True)
        for environment in (os.environ | dict.fromkeys(names, n) for n in ("1", "2"))
    )
    return [run.stdout for run in runs]


def output_of(script):
    """What a script with some seconds of work prints."""
    return lines_of(LONG + script)
