"""What the tests of matching share: a short train, a dictionary of its signals in a basis, and data to match."""

import numpy as np
import spinbound as sb

from tests.support.trains import smooth_train

TRAIN = smooth_train()
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5))
BASIS = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(200)), rank=13, seq=TRAIN)
N, V = 1000, 60  # atoms and voxels
ATOMS = sb.dictionary(TRAIN, PRIOR, n=N, basis=BASIS)
TRUTH = PRIOR.sample(V, seed=1)
DATA = sb.simulate(TRAIN, TRUTH.replace(M0=np.exp(1j * np.arange(V))), basis=BASIS)


def stored(folder, source=PRIOR, n=N, **options):
    """A dictionary like `ATOMS` on disk."""
    return sb.build_dictionary(TRAIN, source, n, folder / "atoms.zarr", basis=BASIS, derivatives=None, **options)


def bits(match, voxels=...):
    """Everything found in some voxels, to the bit."""
    found = {"index": match.index, "correlation": match.correlation, **match.tissue.as_dict()}
    return {name: values[voxels].tobytes() for name, values in found.items()}
