"""Floating-point operations as the processor counts them, where Linux lets a process see its counters."""

import ctypes
import os
import pathlib
import platform
import struct

# Raw events with the operations that one count stands for; an FMA counts as two.
EVENTS = {
    "AuthenticAMD": ((0xFF03, 1),),  # retired SSE and AVX operations (Zen)
    "GenuineIntel": ((0x01C7, 1), (0x04C7, 2), (0x10C7, 4), (0x40C7, 8)),  # doubles retired: one, 128, 256, 512 bits
}
RAW, ATTRIBUTES = 4, struct.Struct("=IIQQQQQIIQ")  # perf_event_attr: type, size, config, ..., flags, ..., config1
DISABLED, INHERIT, USER_ONLY = 1, 2, 1 << 5 | 1 << 6
ENABLE, DISABLE, RESET = 0x2400, 0x2401, 0x2403
SYSTEM_CALL = 298  # perf_event_open on x86-64


def vendor():
    """The maker of the processor, by its own word; None elsewhere than on x86-64 Linux."""
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        return None
    with pathlib.Path("/proc/cpuinfo").open() as info:
        return next((line.split(":", 1)[1].strip() for line in info if line.startswith("vendor_id")), None)


def opened(event):
    """File descriptor of a counter of this process and the threads that it starts; -1 if it may not have one."""
    flags = DISABLED | INHERIT | USER_ONLY
    attributes = ATTRIBUTES.pack(RAW, ATTRIBUTES.size, event, 0, 0, 0, flags, 0, 0, 0)
    return ctypes.CDLL(None, use_errno=True).syscall(SYSTEM_CALL, attributes, 0, -1, -1, 0)


def counted(call):
    """Operations of a call, or None where they can't be counted."""
    from fcntl import ioctl

    events = EVENTS.get(vendor(), ())
    counters = [opened(event) for event, _ in events]
    try:
        if not counters or min(counters) < 0:
            return None
        for counter in counters:
            ioctl(counter, RESET, 0)
            ioctl(counter, ENABLE, 0)
        call()
        for counter in counters:
            ioctl(counter, DISABLE, 0)
        counts = [struct.unpack("=Q", os.read(counter, 8))[0] for counter in counters]
        return sum(count * weight for count, (_, weight) in zip(counts, events, strict=True))
    finally:
        for counter in filter(lambda counter: counter >= 0, counters):
            os.close(counter)


def trusted(peak):
    """Whether the counters give the operations of a loop of which they are known."""
    known = []
    count = counted(lambda: known.append(peak.run()[0]))
    return count is not None and abs(count - known[0]) < 0.02 * known[0]
