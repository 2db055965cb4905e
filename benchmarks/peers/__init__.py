"""What a user would run instead of spinbound, each made as fast as it reasonably gets."""

from . import blochsim_mt, eigen_expm, jax_expm, numpy_expm, spinbound_reference, sycomore_epg, torch_expm

PEERS = (
    eigen_expm.AS_REFERENCE,
    eigen_expm.TUNED,
    spinbound_reference.PEER,
    numpy_expm.PEER,
    jax_expm.AS_WRITTEN,
    jax_expm.TUNED,
    torch_expm.PEER,
    blochsim_mt.PEER,
    sycomore_epg.PEER,
)
BY_NAME = {peer.name: peer for peer in PEERS}
