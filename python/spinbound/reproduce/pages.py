"""The report of a reproduction: an introduction, the numbers beside the paper's, the figures, and all settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from spinbound.base.text import join_words
from spinbound.pages.page import Element, Picture, Section, Table, Text

from .claims import HEAD, Row
from .data import SPAN
from .settings import Settings

TITLE = "Cramér-Rao bound-informed training of neural networks for quantitative MRI, reproduced"
PAPER = "X. Zhang, Q. Duchemin et al., arXiv 2109.10535"

# The paper's values of the settings of the same name.
STATED = {
    "rank": "13",
    "n_basis": "92,160 (the training set)",
    "n_training": "92,160",
    "n_validation": "10,240",
    "n_test": "9,056",
    "architecture": "14 fully connected layers, group normalisation, skip connections",
    "phase": "random",
    "epochs": "400",
    "batch": "512",
    "learning_rate": "0.01",
    "halve_every": "40",
    "sigma": "0.01",
    "M0": "0.1 to 1",
    "realizations": "300",
    "snr": "50",
}


def make_sections(
    rows: Sequence[Row], figures: Mapping[str, Sequence[Picture]], settings: Settings, provenance: Mapping[str, Any]
) -> Iterator[Section]:
    """Make all sections of the report, with `figures` by the headings of their sections."""
    yield Section("What this is", [*map(Text, introduce())])
    yield Section("Numbers beside the paper's", [Table(HEAD, [row.cells for row in rows])])
    for heading, pictures in figures.items():
        yield Section(heading, pictures)
    yield Section("Settings", [make_settings_table(settings)])
    yield Section("What differs, and what is left out", [*map(Text, name_differences(settings, set(figures)))])
    yield Section("Provenance", make_provenance_tables(provenance))


def introduce() -> Iterator[str]:
    """Yield the first paragraphs."""
    yield (
        f"The experiments of {PAPER}, made anew: two networks that differ in nothing but the loss they are trained "
        "with, squared errors divided by their Cramér-Rao bounds (NN-CRB) or plain squared errors in SI units "
        "(NN-MSE), judged on simulated tissues and compared with non-linear least squares (NLLS)."
    )
    yield (
        "Errors in units of the bound have a scale of their own: an unbiased and efficient estimator has a loss of 1 "
        "for every tissue and parameter. Less is bought with bias: the estimator shrinks towards the middle of what it "
        "was trained with. The tables state the achievable loss, about the least that the prior of the tissues allows; "
        "a loss between it and 1 is no merit in itself."
    )


def make_settings_table(settings: Settings) -> Table:
    """Make the table of every setting, beside that of the paper if it states one."""
    rows = [(name, STATED.get(name, "not told"), format_setting(value)) for name, value in asdict(settings).items()]
    return Table(("setting", "paper", "here"), rows)


def name_differences(settings: Settings, headings: set[str]) -> Iterator[str]:
    """Name the reasons why the results differ from the paper's."""
    spans = join_words(f"{name} {low:g} to {high:g}" for name, (low, high) in SPAN.items())
    yield f"The ranges of the slices are chosen, as the paper does not tell them (SI units): {spans}."
    yield (
        "The paper leaves open how T2s is distributed, and the lower limits of T1, T2f and B1; those of Prior.paper "
        "are used. Noise of 0.01 is taken as the standard deviation of the real and of the imaginary part each."
    )
    yield (
        "Fig. 7 is a simulation: the paper measured a phantom and tells no parameters of it; those here are chosen. "
        "The truth is known instead, and NLLS needs not stand for it."
    )
    if settings != Settings.full():
        yield "The settings are not those of the full reproduction, so that losses are above what they could be."
    if not any("in vivo" in heading for heading in headings):
        yield "Fig. 8 is left out: no data of a slice in vivo were given (--in-vivo)."


def make_provenance_tables(provenance: Mapping[str, Any]) -> list[Element]:
    """Make the tables of the versions and inputs, and of the duration of each step."""
    seconds = provenance["seconds"]
    known = [(name, format_setting(value)) for name, value in provenance.items() if name != "seconds"]
    steps = [(name, f"{value:.1f}") for name, value in seconds.items()]
    steps.append(("all", f"{sum(seconds.values()):.1f}"))
    return [Table(("what", "value"), known), Table(("step", "seconds"), steps)]


def format_setting(value: object) -> str:
    """Format a setting in words."""
    if isinstance(value, tuple | list):
        return ", ".join(map(format_setting, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
