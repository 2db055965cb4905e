"""The experiments of the CRB-weighted loss (arXiv 2109.10535), made anew with one call, which resumes.

    crb_paper         steps in their order: `data`, `networks`, `judged`, `measured`, `figures`, `pages`
    Settings          how much of it
    claims            what the paper states, beside ours

It needs PyTorch (extra ``nn``), figures (``plot``) and stores (``io``).
"""

from .paper import crb_paper
from .settings import Settings

__all__ = ["Settings", "crb_paper"]
