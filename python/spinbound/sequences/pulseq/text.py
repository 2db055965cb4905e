"""The text of a Pulseq file (.seq, version 1.4 or 1.5): tables of events, shapes, and the signature.

The reader believes nothing in it: numbers have a limit, references must exist, and shapes, of which a few lines may
stand for any length, are expanded when they are used, up to `MAX_SAMPLES` samples in all. Errors name the line.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.errors import FloatArray, InvalidSequence
from spinbound.files.guard import Allowance, name_damage

MAX_SAMPLES = 1 << 24  # 16 s of a waveform on a raster of 1 us
LARGEST = 1e15  # the limit of all numbers: no amplitude is as high, and no time as long in any unit
HASHES = ("md5", "sha1", "sha256")
SIGNATURE = b"\n[SIGNATURE]"  # the new line before it is not signed

# Columns after the id; version 1.4 lacks some of those of 1.5, which are then zero.
COMMON = {
    "BLOCKS": ("duration", "RF", "gx", "gy", "gz", "ADC", "extension"),
    "TRAP": ("amplitude", "rise", "flat", "fall", "delay"),
    "EXTENSIONS": ("type", "reference", "next"),
}
COLUMNS: Mapping[tuple[int, int], Mapping[str, tuple[str, ...]]] = {
    (1, 4): {
        **COMMON,
        "RF": ("amplitude", "magnitude", "angle", "time", "delay", "frequency", "phase"),
        "GRADIENTS": ("amplitude", "shape", "time", "delay"),
        "ADC": ("samples", "dwell", "delay", "frequency", "phase"),
    },
    (1, 5): {
        **COMMON,
        "RF": ("amplitude", "magnitude", "angle", "time", "center", "delay", "frequency_ppm", "phase_ppm", "frequency")
        + ("phase", "use"),
        "GRADIENTS": ("amplitude", "first", "last", "shape", "time", "delay"),
        "ADC": ("samples", "dwell", "delay", "frequency_ppm", "phase_ppm", "frequency", "phase", "phase_shape"),
    },
}
OTHER_SECTIONS = ("VERSION", "DEFINITIONS", "SHAPES", "SIGNATURE")

Line = tuple[int, list[str]]  # its number and its words


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: int
    number: int
    values: Mapping[str, float]

    def __getitem__(self, column: str) -> float:
        return self.values.get(column, 0.0)


@dataclass(frozen=True)
class Shape:
    """A shape in its stored form: samples, or runs of equal differences."""

    line: int
    n_samples: int
    stored: FloatArray


@dataclass
class PulseqText:
    """The content of a file, section by section."""

    path: Path
    definitions: Mapping[str, list[str]]
    tables: Mapping[str, Mapping[int, Row]]
    extensions: Mapping[int, str]  # names by type
    shapes: Mapping[int, Shape]
    left: int = MAX_SAMPLES
    expanded: dict[int, FloatArray] = field(default_factory=dict)

    def make_error(self, line: int, message: str) -> InvalidSequence:
        """Return the error of a line."""
        return InvalidSequence(f"{self.path}: line {line}: {message}")

    def read_raster(self, name: str) -> float:
        """Read one of the raster times in s."""
        words = self.definitions.get(name)
        if words is None:
            raise InvalidSequence(f"{self.path}: the file does not define {name}")
        time = parse_number(words[0]) if len(words) == 1 else None
        if time is None or not 1e-9 <= time <= 1:
            raise InvalidSequence(f"{self.path}: {name} is {' '.join(words)}; allowed: 1e-9 to 1 s")
        return time

    def find_row(self, section: str, user: Row, column: str) -> Row | None:
        """Return the row of a table that another refers to, None if it refers to 0, which stands for nothing."""
        number = user[column]
        if number == 0:
            return None
        if section not in self.tables:
            raise self.make_error(user.line, f"{column} is {number:g}, but the file has no section [{section}]")
        if number not in self.tables[section]:
            raise self.make_error(user.line, f"{column} is {number:g}, which section [{section}] does not have")
        return self.tables[section][int(number)]

    def expand_shape(self, user: Row, column: str) -> FloatArray:
        """Return the samples of the shape that a row refers to."""
        number = int(user[column])
        if number != user[column] or number not in self.shapes:
            raise self.make_error(user.line, f"{column} is {user[column]:g}, which section [SHAPES] does not have")
        if number not in self.expanded:
            shape = self.shapes[number]
            self.take(shape.n_samples, shape.line)
            self.expanded[number] = _expand(shape, self)
        return self.expanded[number]

    def take(self, n_samples: int, line: int) -> None:
        """Count samples before they are allocated, and refuse more than one file may have."""
        self.left -= n_samples
        if self.left < 0:
            raise self.make_error(line, f"a shape of {n_samples} samples; all shapes of a file may have {MAX_SAMPLES}")


def read_text(path: Path) -> PulseqText:
    """Read a file; a signature that is not that of the file is a warning.

    Raises
    ------
    InvalidSequence
        For another version, an unknown section, and a line that makes no sense.
    OSError
        If the file cannot be read.
    """
    with name_damage(path, InvalidSequence):
        size = path.stat().st_size
        Allowance(path, InvalidSequence).take("the file", size, size)
        content = path.read_bytes()
        if not content.endswith(b"\n"):  # half a number might be one, too
            raise OSError("its last line has no end: it is truncated")
        sections = _split_sections(path, content.decode("utf-8"))
    columns = _find_columns(path, sections)
    check_signature(path, content, strict=False)

    tables = {name: _read_table(path, name, rows, columns[name]) for name, rows in sections.items() if name in columns}
    definitions = {words[0]: words[1:] for _, words in sections.get("DEFINITIONS", [])}
    extensions = {int(name.split()[2]): name.split()[1] for name in sections if name.startswith("extension ")}

    return PulseqText(path, definitions, tables, extensions, _read_shapes(path, sections.get("SHAPES", [])))


def _split_sections(path: Path, text: str) -> dict[str, list[Line]]:
    """Split lines into sections, without blank ones and comments; an extension's section has its whole heading."""
    sections: dict[str, list[Line]] = {}
    current = None
    known = {*COLUMNS[1, 5], *OTHER_SECTIONS}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = words[0][1:-1] if words[0].startswith("[") else " ".join(words) if words[0] == "extension" else None
        if name is None:
            if current is None:
                raise InvalidSequence(f"{path}: line {number}: {line[:60]!r} before the first section: no Pulseq file")
            current.append((number, words))
            continue
        is_extension = words[0] == "extension" and len(words) == 3 and words[2].isdecimal()
        if name in sections or not (is_extension or name in known):
            problem = "there twice" if name in sections else f"unknown; allowed: {', '.join(sorted(known))}"
            raise InvalidSequence(f"{path}: line {number}: section {name[:60]} is {problem}")
        current = sections[name] = []

    return sections


def _find_columns(path: Path, sections: Mapping[str, list[Line]]) -> Mapping[str, tuple[str, ...]]:
    """Return the columns of the tables in the version of a file, which must have blocks."""
    for name in ("VERSION", "BLOCKS"):
        if name not in sections:
            raise InvalidSequence(f"{path}: the file has no section [{name}]")
    version = {words[0]: words[1] for _, words in sections["VERSION"] if len(words) == 2}
    given = tuple(
        int(word) if word.isdecimal() else -1 for word in (version.get("major", ""), version.get("minor", ""))
    )
    if given not in COLUMNS:
        line = sections["VERSION"][0][0] if sections["VERSION"] else 0
        written = ".".join(version.get(part, "?") for part in ("major", "minor"))
        read = ", ".join(f"{major}.{minor}" for major, minor in COLUMNS)
        raise InvalidSequence(f"{path}: line {line}: version {written}; read are: {read}")

    return COLUMNS[given[0], given[1]]


def check_signature(path: Path, content: bytes, strict: bool) -> None:
    """Compare the hash of all before the signature, be the line ends those of Windows or not.

    Raises
    ------
    InvalidSequence
        If it is another one, and `strict`; otherwise that is a warning. A file may be without a signature.
    """
    if SIGNATURE not in content:
        return
    lines = content.rpartition(SIGNATURE)[2].decode("utf-8", "replace").splitlines()
    signed = {words[0]: words[1].lower() for words in map(str.split, lines) if len(words) == 2}
    kind, given = signed.get("Type"), signed.get("Hash", "")
    if kind in HASHES:
        bodies = [text.rpartition(SIGNATURE)[0] for text in (content, content.replace(b"\r\n", b"\n"))]
        if given in [hashlib.new(kind, body, usedforsecurity=False).hexdigest() for body in bodies]:
            return
        problem = f"the {kind} of the file is not that of its signature: it was changed after it was signed"
    else:
        problem = f"the signature is of type {kind}; verified are: {', '.join(HASHES)}"
    if strict:
        raise InvalidSequence(f"{path}: {problem}")

    warnings.warn(f"{path}: {problem}", UserWarning, stacklevel=2)


def _read_table(path: Path, section: str, lines: list[Line], columns: tuple[str, ...]) -> dict[int, Row]:
    """Read rows by their id, in the order of the file."""
    rows: dict[int, Row] = {}
    for line, words in lines:
        if len(words) != len(columns) + 1:
            raise InvalidSequence(f"{path}: line {line}: {len(words)} words in [{section}]; needed: {len(columns) + 1}")
        values = {name: parse_number(word) for name, word in zip(columns, words[1:], strict=True) if name != "use"}
        wrong = [name for name, value in values.items() if value is None]
        if wrong or not words[0].isdecimal():
            what = ", ".join(wrong) or "the id"
            raise InvalidSequence(f"{path}: line {line}: {what} must be a number of at most {LARGEST:g}")
        number = int(words[0])
        if number in rows or number == 0:
            raise InvalidSequence(f"{path}: line {line}: id {number} of [{section}] is 0 or there twice")
        rows[number] = Row(line, number, {name: value for name, value in values.items() if value is not None})
    return rows


def parse_number(word: str) -> float | None:
    """Return a number, or None for a text or too large a number, whose sums and products might be infinite."""
    try:
        value = float(word)
    except ValueError:
        return None
    return value if abs(value) <= LARGEST else None


def _read_shapes(path: Path, lines: list[Line]) -> dict[int, Shape]:
    shapes: dict[int, Shape] = {}
    for head, count, values in _split_shapes(path, lines):
        (line, (_, name)), n_samples = head, count[1][1]
        numbers = [parse_number(words[0]) if len(words) == 1 else None for _, words in values]
        if None in numbers:
            line = values[numbers.index(None)][0]
            raise InvalidSequence(f"{path}: line {line}: a sample must be a number of at most {LARGEST:g}")
        if not name.isdecimal() or not n_samples.isdecimal() or int(name) in shapes or not 0 < len(numbers):
            raise InvalidSequence(f"{path}: line {line}: shape {name} is there twice, without samples or not numbered")
        shapes[int(name)] = Shape(line, int(n_samples), np.array(numbers, np.float64))
    return shapes


def _split_shapes(path: Path, lines: list[Line]) -> Iterator[tuple[Any, Any, list[Line]]]:
    """Yield the line with the id, the line with the number of samples, and the lines of numbers of each shape."""
    starts = [place for place, (_, words) in enumerate(lines) if words[0].lower() == "shape_id"]
    if lines and starts[:1] != [0]:
        raise InvalidSequence(f"{path}: line {lines[0][0]}: a shape must begin with shape_id")
    for start, end in pairwise([*starts, len(lines)]):
        head, *rest = lines[start:end]
        if len(head[1]) != 2 or not rest or len(rest[0][1]) != 2 or rest[0][1][0].lower() != "num_samples":
            raise InvalidSequence(f"{path}: line {head[0]}: a shape needs shape_id and num_samples, each with a number")
        yield head, rest[0], rest[1:]


def _expand(shape: Shape, text: PulseqText) -> FloatArray:
    """Return stored samples, or sum differences: two equal ones stand before the number of further equal ones."""
    stored = shape.stored
    if stored.size == shape.n_samples:
        return stored
    values, counts, place = [], [], 0
    while place < stored.size:
        is_run = place + 2 < stored.size and stored[place] == stored[place + 1]
        more = stored[place + 2] if is_run else -1.0
        values.append(stored[place])
        counts.append(int(more) + 2)
        place += 3 if is_run else 1
        if (is_run and (more < 0 or more != int(more))) or counts[-1] > shape.n_samples:
            raise text.make_error(shape.line, f"a run of {more:g} further samples in a shape of {shape.n_samples}")
    if sum(counts) != shape.n_samples:
        raise text.make_error(shape.line, f"a shape of {shape.n_samples} samples holds {sum(counts)}")

    return np.cumsum(np.repeat(values, counts))
