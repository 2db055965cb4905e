"""A model of pulses in tissue as a value: its name, the lineshape of the semi-solid pool, and its accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinbound.base.checks import as_number, as_one_of
from spinbound.base.errors import InvalidParameter

LINESHAPES = ("superlorentzian", "gaussian", "lorentzian")  # in the order of the core's codes


@dataclass(frozen=True)
class ModelTraits:
    """The abilities and limits of a model."""

    lanes: bool = False  # simulates several voxels side by side, in single precision too
    shapes: bool = False  # takes pulses that are not rectangular
    flip: str = "max_integrated_flip"  # the limit of B1 alpha, by its name in the core
    shortest: str | None = None  # the least TRF/T2s, by its name in the core
    longest: str | None = None  # the largest


# In the order of the core's codes.
MODELS = {
    "gbloch": ModelTraits(lanes=True, flip="max_flip", shortest="min_tau"),
    "gbloch-ide": ModelTraits(shapes=True, longest="max_tau_ide"),
    "graham": ModelTraits(shapes=True),
    "graham-single-frequency": ModelTraits(shapes=True),
    "sled": ModelTraits(shapes=True),
    "hybrid": ModelTraits(lanes=True, flip="max_crusher_flip", shortest="min_tau"),
    "bloch": ModelTraits(lanes=True, flip="max_crusher_flip"),
}

LOOSEST, TIGHTEST = 1e-2, 1e-12  # limits of rtol


@dataclass(frozen=True)
class Model:
    """A model of the response of tissue to pulses; every argument `model` takes one, or a plain name.

    Parameters
    ----------
    name
        ``gbloch``, the linearised generalized Bloch model (default); ``gbloch-ide``, the full integro-differential
        equation; ``graham``, ``graham-single-frequency`` and ``sled``, the semi-solid pool saturated at a rate;
        ``hybrid``, the hybrid-state approximation of gbloch; ``bloch``, one pool (m0s = 0).
    lineshape
        That of the semi-solid pool: ``superlorentzian`` (default), ``gaussian`` or ``lorentzian``.
    rtol
        Relative error of the propagator of a pulse, 1e-12 to 1e-2, for gbloch-ide and sled.

    Raises
    ------
    InvalidParameter
        If a word is unknown, rtol out of range, or the model does not know the lineshape.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.Model("gbloch-ide", lineshape="gaussian")
    Model(name='gbloch-ide', lineshape='gaussian', rtol=1e-08)
    >>> sb.crb(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(), "m0s", model=sb.Model(lineshape="gaussian")).keys()
    dict_keys(['m0s'])
    """

    name: str = "gbloch"
    lineshape: str = "superlorentzian"
    rtol: float = 1e-8

    def __post_init__(self) -> None:
        as_one_of("model", self.name, MODELS)
        as_one_of("lineshape", self.lineshape, LINESHAPES)
        accuracy = as_number("rtol", self.rtol)
        if not TIGHTEST <= accuracy <= LOOSEST:
            raise InvalidParameter(f"rtol is {accuracy:g}; allowed: {TIGHTEST:g} to {LOOSEST:g}")
        if self.name == "graham-single-frequency" and self.lineshape == "superlorentzian":
            raise InvalidParameter(
                "graham-single-frequency needs the absorption of the lineshape on resonance, which is infinite for the "
                "superlorentzian; allowed: gaussian, lorentzian, or the model graham"
            )

        object.__setattr__(self, "rtol", accuracy)

    @property
    def traits(self) -> ModelTraits:
        """The abilities and limits of the model."""
        return MODELS[self.name]

    @property
    def codes(self) -> tuple[int, int, float]:
        """The core's codes of the model and the lineshape, and rtol."""
        return list(MODELS).index(self.name), LINESHAPES.index(self.lineshape), self.rtol

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> Model:
        """Return the model that a description (see `described`) names; entries that it lacks have their defaults."""
        words = {"name": "model", "lineshape": "lineshape", "rtol": "rtol"}
        return cls(**{field: described[word] for field, word in words.items() if word in described})

    @property
    def described(self) -> dict[str, Any]:
        """The model in two words and a number, as files store it."""
        return {"model": self.name, "lineshape": self.lineshape, "rtol": self.rtol}


def as_model(model: Model | str) -> Model:
    """Return a model as it is, and a plain name as the model of that name."""
    return model if isinstance(model, Model) else Model(model)
