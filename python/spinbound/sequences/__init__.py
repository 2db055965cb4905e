"""Pulse sequences, their files, and those that ship with the package."""

from .library import load, names

__all__ = ["load", "names"]
