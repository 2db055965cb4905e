"""A job whose chunks go wrong in ways of their own, in a module that workers can import."""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FaultyTask:
    """One chunk: it counts how often it is tried, and is stored unless something happens."""

    folder: Path
    chunk: int
    fate: str

    def __call__(self, threads, report):
        with open(self.folder / f"tries-{self.chunk}", "ab") as file:
            file.write(b".")
        tries = (self.folder / f"tries-{self.chunk}").stat().st_size
        if self.fate == "killed" or (self.fate == "killed once" and tries == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fate == "job ends once" and tries == 1:
            os.killpg(0, signal.SIGKILL)
        if self.fate == "wrong" or (self.fate == "wrong twice" and tries <= 2):
            raise ValueError(f"chunk {self.chunk} is wrong")
        if self.fate == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder / "place"))
        if self.fate == "long":
            time.sleep(600)
        (self.folder / f"done-{self.chunk}").write_text(f"{threads} {os.environ['SPINBOUND_ISA']} {os.getpid()}")


@dataclass(frozen=True)
class FaultyJob:
    """Chunks of two voxels, one for each fate."""

    folder: Path
    fates: tuple[str, ...]

    @property
    def sizes(self):
        return [2] * len(self.fates)

    def is_done(self, chunk):
        return (self.folder / f"done-{chunk}").exists()

    def make_task(self, chunk):
        return FaultyTask(self.folder, chunk, self.fates[chunk])

    @property
    def done(self):
        """What the stored chunks hold, in words."""
        return {k: (self.folder / f"done-{k}").read_text().split() for k in range(len(self.fates)) if self.is_done(k)}

    @property
    def tries(self):
        """How often each chunk was tried."""
        files = [self.folder / f"tries-{chunk}" for chunk in range(len(self.fates))]
        return [file.stat().st_size if file.exists() else 0 for file in files]
