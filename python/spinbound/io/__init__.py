"""Images and arrays in the formats of MRI: NIfTI, BIDS derivatives, BART, MATLAB (NIfTI and MATLAB v7.3: extra ``io``).

`read_complex`, `read_mask` and `read_map` read what a fit takes from any of the formats; the modules `nifti`, `bart`,
`matlab` and `bids` read and write one each. Files are whole or absent, and no file makes this code run its content or
allocate more than it can hold.
"""

from . import bart, bids, matlab, nifti
from .image import Image, check_same_grid, read_complex, read_image, read_map, read_mask

__all__ = [
    "Image",
    "bart",
    "bids",
    "check_same_grid",
    "matlab",
    "nifti",
    "read_complex",
    "read_image",
    "read_map",
    "read_mask",
]
