"""C++ that is compiled where it is run, for the processor that it runs on."""

import ctypes
import functools
import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

KEPT = Path(__file__).parents[2] / "build" / "benchmarks" / "native"


def compiler():
    """Path of the C++ compiler, or None."""
    return next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)


@functools.cache
def compiler_version():
    """The compiler's first line about itself."""
    said = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]


@functools.cache
def processor():
    """Name of the processor."""
    try:
        with Path("/proc/cpuinfo").open() as info:
            return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@functools.cache
def library(source, *flags):
    """The shared library of a source file, compiled once for this compiler, processor and flags.

    Raises
    ------
    RuntimeError
        With what the compiler said.
    """
    text = source.read_bytes()
    key = hashlib.sha256(repr((text, flags, compiler_version(), processor())).encode()).hexdigest()[:16]
    path = KEPT / f"{key}.so"
    if not path.exists():
        build(source, flags, path)
    return ctypes.CDLL(str(path))


def build(source, flags, path):
    """Compile into a file that appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        fresh = Path(folder) / path.name
        command = [compiler(), "-std=c++17", *flags, "-shared", "-fPIC", str(source), "-o", str(fresh)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{source.name} does not compile: {done.stderr}")
        fresh.replace(path)


def pointer(array):
    """The address of a C-contiguous array, as an argument."""
    if not array.flags.c_contiguous:
        raise ValueError("the array must be C-contiguous")
    return array.ctypes.data_as(ctypes.c_void_p)
