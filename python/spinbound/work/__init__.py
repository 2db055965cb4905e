"""Work in chunks that resumes, here or on a cluster."""

from . import cluster

__all__ = ["cluster"]
