"""The output of maps: a .npz file, or a BIDS derivative dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spinbound.base.text import as_percent
from spinbound.estimators.fitting.goodness import Goodness
from spinbound.estimators.result import counts_of
from spinbound.io import bids

from .arguments import UsageError
from .images import Volume
from .outputs import can_draw, check_figure, check_output, exit_status, save_arrays, save_figure
from .report import print_footer, print_json, print_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ENTRIES = ("Fit", "Estimate")  # of sidecars: they mark the maps that this package has written and may replace


@dataclass(frozen=True)
class Target:
    """The place of the maps: a .npz file, or a folder that becomes a BIDS derivative dataset."""

    path: Path
    prefix: str

    @property
    def is_file(self) -> bool:
        """Whether the output is one .npz file."""
        return self.path.suffix.lower() == ".npz"

    @property
    def figure(self) -> Path:
        """The place of the figure by default."""
        return self.path.with_suffix(".png") if self.is_file else self.path.with_name(f"{self.path.name}.png")

    def check(self, estimates: Iterable[str], std: Iterable[str], overwrite: bool) -> None:
        """Refuse, before any work, outputs that cannot be written or that exist."""
        if self.is_file:
            check_output(self.path, overwrite)
            return

        if not self.path.name or (self.path.suffix and not self.path.is_dir()):
            raise UsageError(f"{self.path}: the output is a folder with a name, or a .npz file")
        files = bids.map_files(estimates, std, bids.FURTHER).values()
        paths = [bids.path_of(self.path, self.prefix, file) for file in files]
        if not overwrite:
            bids.refuse_existing(paths)

    def choose_figure(self, figure: Path | None, overwrite: bool) -> Path | None:
        """Return the place of the figure, if one is drawn; refuse one that cannot be written or that exists."""
        picture = figure or (self.figure if can_draw() else None)
        if picture:
            check_figure(picture, self.path, overwrite)
        return picture


@dataclass(frozen=True)
class Maps:
    """The maps of a result, as the output needs them.

    Attributes
    ----------
    entry
        The entry of the sidecars that holds the settings, one of `ENTRIES`.
    algorithm
        Name of the algorithm in the sidecars.
    arrays
        The arrays of a .npz file.
    estimates, std, further, levels
        As in `bids.write_maps`.
    drawn
        The maps of the figure.
    bound_counts
        Voxels at the lower and at the upper limit, by the names of the estimates.
    advice
        A line for the reader, or none.
    goodness
        How well the result explains the data, where that is known.
    outcome, remarks
        What is printed beside the statuses: further entries of the JSON, and lines below the table.
    """

    entry: str
    algorithm: str
    arrays: Mapping[str, NDArray[Any]]
    estimates: Mapping[str, NDArray[Any]]
    further: Mapping[str, NDArray[Any]]
    levels: Mapping[str, Mapping[int, str]]
    drawn: Mapping[str, NDArray[Any]]
    std: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    bound_counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    advice: str = ""
    goodness: Goodness | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What sidecars and JSON tell of limits; nothing where an estimator has none."""
        counts = {name: {"low": low, "high": high} for name, (low, high) in self.bound_counts.items()}
        return {"at_bound": counts, "advice": self.advice} if counts else {}


def default_output(data: str, command: str) -> Path:
    """Return the default output: a folder for data in NIfTI, else a file."""
    return Path(f"spinbound-{command}" if data.lower().endswith((".nii", ".nii.gz")) else f"{command}.npz")


def write(target: Target, maps: Maps, volume: Volume, settings: Mapping[str, Any]) -> list[Path]:
    """Write all maps of a result in the place of earlier ones, and return their files."""
    if target.is_file:
        save_arrays(target.path, maps.arrays, settings)
        return [target.path]

    files = bids.write_maps(
        target.path,
        maps.estimates,
        volume.data.affine,
        std=maps.std,
        further=maps.further,
        levels=maps.levels,
        provenance={
            "EstimationAlgorithm": maps.algorithm,
            "SkullStripped": volume.mask is not None,
            maps.entry: dict(settings),
        },
        prefix=target.prefix,
        overwrite=True,  # `Target.check` has refused existing files before the work
    )
    bids.remove_others(target.path, target.prefix, files, ENTRIES)  # maps of earlier work that this one lacks
    return files


# Printed outcome


@dataclass(frozen=True)
class Statuses:
    """The status codes of voxels, and their words.

    Attributes
    ----------
    kind
        The codes, each with a `sentence`.
    unwanted
        Codes of voxels that were not asked for.
    failed
        Codes of voxels without a result.
    done, missing
        Words for what was done to the other voxels, and for what the failed ones lack.
    """

    kind: type[Any]
    unwanted: tuple[int, ...]
    failed: tuple[int, ...]
    done: str
    missing: str

    @property
    def sentences(self) -> dict[int, str]:
        """The meaning of each code."""
        return {int(status): status.sentence for status in self.kind}


@dataclass(frozen=True)
class Delivery:
    """The end of a command: it writes maps and figure, and prints the outcome."""

    target: Target
    picture: Path | None
    title: str
    seconds: float
    as_json: bool

    def deliver(self, maps: Maps, statuses: Statuses, volume: Volume, settings: Mapping[str, Any]) -> int:
        """Write the maps and the figure of a result, print the outcome, and return the exit status."""
        settings = {**settings, **maps.told}
        files = write(self.target, maps, volume, settings)
        pictures = [self.picture] if self.picture else []
        for path in pictures:
            save_figure(path, draw_maps(maps, statuses, self.title))

        outcome = {
            **settings,
            **maps.outcome,
            "seconds": self.seconds,
            "written": [str(path) for path in files + pictures],
        }
        places = [str(path) for path in [self.target.path, *pictures]]
        outcome |= {} if maps.goodness is None else {"goodness": maps.goodness.as_dict()}
        return print_statuses(maps, statuses, outcome, places, self.as_json)


def draw_maps(maps: Maps, statuses: Statuses, title: str) -> Figure:
    """Draw the maps where there were data."""
    from spinbound.plot import fit_maps

    status = maps.further["status"]
    mask = ~np.isin(status, statuses.unwanted)
    return fit_maps(
        maps.drawn,
        mask=mask,
        status=status,
        levels=statuses.sentences,
        bound_counts=maps.bound_counts,
        title=title,
    )


def print_statuses(maps: Maps, statuses: Statuses, outcome: Mapping[str, Any], places: list[str], as_json: bool) -> int:
    """Print the tables of status counts and of limits, or JSON, and return the exit status."""
    status = maps.further["status"]
    counts = counts_of(status, statuses.kind)
    n_wanted = int((~np.isin(status, statuses.unwanted)).sum())
    outcome = {**outcome, "voxels": n_wanted, "status": counts}

    if as_json:
        print_json(outcome)
    else:
        rows = status_rows(counts, statuses, n_wanted)
        print_table(("status", "voxels", f"of those {statuses.done}"), rows)
        print_limits(maps)
        if maps.goodness is not None:
            print("\n".join(maps.goodness.lines))
        for remark in maps.remarks:
            print(remark)
        print_footer(outcome | {"written": places})

    n_failed = int(np.isin(status, statuses.failed).sum())
    return exit_status(n_failed, n_wanted, statuses.missing)


def print_limits(maps: Maps) -> None:
    """Print the table of estimates at limits, if there are any, and the advice."""
    rows = [(name, f"{low:,}", f"{high:,}") for name, (low, high) in maps.bound_counts.items() if low or high]
    if rows:
        print_table(("at limits", "low", "high"), rows)
    if maps.advice:
        print(maps.advice)


def status_rows(counts: Mapping[str, int], statuses: Statuses, n_wanted: int) -> Iterator[tuple[str, str, str]]:
    """Yield the sentence, the count and the share of each status."""
    for name, n in counts.items():
        status = statuses.kind[name]
        yield status.sentence, f"{n:,}", "" if status in statuses.unwanted else as_percent(n / n_wanted)
