"""The settings of a reproduction: every number that can be chosen, and the two sets that the command offers."""

from __future__ import annotations

from dataclasses import dataclass

from spinbound.base.checks import as_count, as_one_of, as_positive
from spinbound.base.errors import InvalidParameter

ARCHITECTURES = ("paper", "small")
UNKNOWN = ("M0", "m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1")
ESTIMATED = ("m0s", "T1a", "T2f")
COUNTS = ("n_basis", "n_training", "n_validation", "n_test", "rank", "epochs", "batch", "halve_every", "multi_start")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The sizes of a reproduction.

    Parameters
    ----------
    n_basis
        Number of tissues from whose signals the basis is built, if none is given.
    rank
        Number of vectors of the basis.
    n_training, n_validation, n_test
        Number of tissues of each set; they are consecutive tissues of one seed.
    architecture
        "paper", or "small", which a CPU trains in minutes.
    phase
        Treatment of the phase of M0 by the networks: "random" as in the paper, or "standard".
    epochs, batch, learning_rate, halve_every, schedule, clip
        Options of the training of both networks, as `nn.train` takes them.
    sigma, M0
        Noise per channel, and the range of ``|M0|``, both new in every epoch.
    realizations
        Number of realisations of the noise, for each tissue at each SNR.
    snr
        ``|M0|/sigma`` of the slices and histograms.
    snr_levels
        The levels at which bias and variance are evaluated.
    slice_shape
        Tissues along the axes of a slice through the space of parameters.
    phantom_shape, phantom_snr
        Rows and columns of the phantom, and its ``|M0|/sigma``.
    multi_start
        Number of starts of a least-squares fit.
    seed
        Seed of tissues, weights and noise.

    Raises
    ------
    InvalidParameter
        If a number is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from spinbound.reproduce import Settings
    >>> Settings.full().n_training, replace(Settings.quick(), seed=3).seed
    (92160, 3)
    """

    n_basis: int
    n_training: int
    n_validation: int
    n_test: int
    architecture: str
    epochs: int
    realizations: int
    slice_shape: tuple[int, int]
    phantom_shape: tuple[int, int]
    rank: int = 13
    batch: int = 512
    learning_rate: float = 0.01
    halve_every: int = 40
    schedule: str = "halving"
    clip: float | None = None
    phase: str = "random"
    sigma: float = 0.01
    M0: tuple[float, float] = (0.1, 1.0)
    snr: float = 50.0
    snr_levels: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
    phantom_snr: float = 50.0
    multi_start: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in COUNTS:
            as_count(name, getattr(self, name), 1)
        as_count("realizations", self.realizations, 2)
        as_count("seed", self.seed, 0)
        as_one_of("architecture", self.architecture, ARCHITECTURES)
        for name in ("sigma", "snr", "phantom_snr"):
            as_positive(name, getattr(self, name))
        if self.snr not in self.snr_levels:
            raise InvalidParameter(f"snr is {self.snr:g}; allowed: one of snr_levels, {self.snr_levels}")

    @property
    def trained_snr(self) -> tuple[float, float]:
        """The range of ``|M0|/sigma`` that the networks are trained with."""
        return self.M0[0] / self.sigma, self.M0[1] / self.sigma

    @classmethod
    def full(cls) -> Settings:
        """Return the settings that the paper states; they need a GPU."""
        return cls(
            n_basis=92_160,
            n_training=92_160,
            n_validation=10_240,
            n_test=9_056,
            architecture="paper",
            epochs=400,
            realizations=300,
            slice_shape=(50, 50),
            phantom_shape=(128, 128),
            multi_start=4,
        )

    @classmethod
    def quick(cls) -> Settings:
        """Return settings for an hour of two cores: a smaller network, fewer tissues, epochs and realizations."""
        return cls(
            n_basis=10_000,
            n_training=92_160,
            n_validation=4_096,
            n_test=2_048,
            architecture="small",
            epochs=200,
            learning_rate=3e-3,
            schedule="cosine",
            clip=1.0,
            phase="standard",
            realizations=100,
            slice_shape=(30, 30),
            phantom_shape=(80, 80),
        )
