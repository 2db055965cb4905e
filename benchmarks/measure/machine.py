"""What the numbers were measured on, and how busy it was."""

import os
import pathlib
import platform

import numpy
import spinbound as sb
from spinbound import _core

from . import native


def describe():
    """Machine and versions, for the record."""
    return {
        "processor": native.processor(),
        "cores": _core.available_threads(),
        "isa": _core.isa_available(),
        "spinbound": sb.__version__,
        "built with": _core.compiler,
        "peers and peak built with": native.compiler_version() if native.compiler() else None,
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "system": platform.system(),
    }


def load():
    """Processes that wanted a core during the last minute."""
    return round(os.getloadavg()[0], 2)


def memory(field):
    """Bytes of this process by a field of /proc/self/status: VmRSS now, VmHWM at most; None elsewhere than on Linux."""
    try:
        with pathlib.Path("/proc/self/status").open() as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith(field))
    except (OSError, StopIteration):
        return None


def forget_peak():
    """Let the peak of the memory start from what is in use now."""
    try:
        with pathlib.Path("/proc/self/clear_refs").open("w") as file:
            file.write("5")
    except OSError:
        pass


def use_one_core():
    """Stay on one core from now on, where the system can say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
