"""The experiments of the CRB-weighted loss (arXiv 2109.10535), reproduced by one call, which can resume.

    crb_paper         the steps in their order: `data`, `networks`, `judged`, `measured`, `figures`, `pages`
    Settings          the sizes of a reproduction
    claims            the statements of the paper, beside our results

It needs PyTorch (extra ``nn``), figures (``plot``) and stores (``io``).
"""

from .paper import crb_paper
from .settings import Settings

__all__ = ["Settings", "crb_paper"]
