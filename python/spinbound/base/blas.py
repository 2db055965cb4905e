"""Threads of the linear algebra library, whose number changes the last bits of large decompositions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits


def use_one_thread() -> AbstractContextManager[Any]:
    """Have the library work in one thread inside the `with` block, in all threads of the process."""
    return threadpool_limits(1, user_api="blas")
