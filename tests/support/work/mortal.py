"""Runs of jobs that end before they are done: killed, interrupted, or out of disk.

They die in processes that a server forks, which has imported what they need: so a death takes a twentieth of a second.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from spinbound.work.job import run_here

from tests.support.paths import ROOT
from tests.support.work.jobs import JOBS

CALLS = ("mkdir", "fsync", "replace", "rename")  # by which files come into being


class Server:
    """Starts runs, one at a time."""

    def __init__(self, process):
        self.process = process

    def end(self, job, how, moment=0):
        """Have a job run until what is to happen; the exit status, and what the run has written down."""
        line = json.dumps([job.kind, str(job.path), how, int(moment)])
        print(line, file=self.process.stdin, flush=True)
        status, said = json.loads(self.process.stdout.readline())
        return status, said


@contextmanager
def server():
    """A `Server`, until the end."""
    command = [sys.executable, "-m", "tests.support.work.mortal"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, **pipes) as process:
        yield Server(process)
        process.stdin.close()


# In the server


def serve():
    """Fork a process for every line, and answer how it ended and what it said."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            live(writing, *json.loads(line))
        os.close(writing)
        with open(reading) as said:
            words = said.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, words]), flush=True)


def live(out, kind, path, how, moment):
    """Run a job and end; what is said goes to a pipe."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 0
    try:
        said = ENDS[how](JOBS[kind](Path(path)), moment)
    except OSError as problem:
        said = f"{problem.errno} {problem.filename}"
    except KeyboardInterrupt:
        said = "interrupted"
    except BaseException as problem:  # anything else is a fault, which the test shows
        status, said = 1, repr(problem)
    os.write(out, str(said).encode())
    os._exit(status)


def die(*_):
    """End as a process does that is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def when_three_are_done(job, what):
    """Run with a progress that does something as soon as three chunks are stored."""
    job.run(progress=lambda *_: what() if len(job.done) == 3 else None)


def killed_between_chunks(job, _):
    """A kill when three chunks are stored."""
    when_three_are_done(job, die)


def killed_while_writing(job, _):
    """A kill with half a file written, when two chunks are stored."""
    fsync = os.fsync

    def half(file):
        if len(job.done) == 2:
            os.ftruncate(file, os.fstat(file).st_size // 2)
            die()
        fsync(file)

    os.fsync = half
    job.run()


def killed_at_a_call(job, moment):
    """A kill at one of the calls by which files come into being; without a moment the number of these calls."""
    calls = []

    def mortal(function):
        def call(*arguments, **options):
            calls.append(function)
            if len(calls) == moment:
                die()
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, mortal(getattr(os, name)))
    job.run()
    return len(calls)


def interrupted(job, _):
    """Ctrl-C, when three chunks are stored."""
    when_three_are_done(job, lambda: os.kill(os.getpid(), signal.SIGINT))


def out_of_disk(job, n_done):
    """No file may grow any more, when so many chunks are stored."""

    import resource  # which Windows does not have

    def runner(work, threads, report):
        for chunk in range(n_done):
            work.make_task(chunk)(threads, None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        run_here(work, threads, report)

    job.run(runner=runner)


ENDS = {
    "killed between chunks": killed_between_chunks,
    "killed while writing": killed_while_writing,
    "killed at a call": killed_at_a_call,
    "interrupted": interrupted,
    "out of disk": out_of_disk,
}

if __name__ == "__main__":
    serve()
