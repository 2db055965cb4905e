"""The device that PyTorch computes on, and the number of its threads on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spinbound.base.errors import InvalidParameter


def as_device(device: str | torch.device | None) -> torch.device:
    """Return the device to compute on: the given one, otherwise the GPU if there is one.

    Raises
    ------
    InvalidParameter
        If torch knows no such device, or it holds no numbers.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as problem:
        raise InvalidParameter(f"device is {device!r}, which cannot be used: {str(problem).splitlines()[0]}") from None
    if place.type == "meta":  # what is moved there is lost
        raise InvalidParameter(f"device is {device!r}, which holds no numbers")
    return place


@contextmanager
def use_torch_threads(n: int | None) -> Iterator[None]:
    """Let PyTorch use n threads, and afterwards as many as before; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
