"""Learning: the part of spinbound that needs PyTorch."""

from .._files import optional_module

optional_module("torch", "nn")

from .simulate import simulate  # noqa: E402

__all__ = ["simulate"]
