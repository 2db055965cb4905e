"""Rooms of the C++ core stand on each other: what a file includes lies in its own room or in one below."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FLOORS = ("records", "kernel", "machine", "plan", "models", "voxels", "bound", "fit")  # the lowest first
BELOW = {room: set(FLOORS[:floor]) for floor, room in enumerate(FLOORS)} | {"reference": {"records"}}


def read_includes(core: Path) -> dict[str, list[str]]:
    """Return what each file of the core includes of the core, both by their paths below it."""
    include = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
    files = sorted([*core.rglob("*.hpp"), *core.rglob("*.cpp")])
    return {file.relative_to(core).as_posix(): include.findall(file.read_text(encoding="utf-8")) for file in files}


def room_of(file: str) -> str:
    return file.partition("/")[0]


def find_upward(includes: dict[str, list[str]]) -> list[str]:
    """Return the includes that lead to a room which is neither the file's own nor one below."""
    return [
        f"{file} includes {other}"
        for file, others in includes.items()
        for other in others
        if room_of(other) not in BELOW[room_of(file)] | {room_of(file)}
    ]


def find_cycle(includes: dict[str, list[str]]) -> list[str]:
    """Return a chain of files that ends where it begins, if there is one; a .cpp and its .hpp count as one file."""
    needs: dict[str, set[str]] = {}
    for file, others in includes.items():
        names = {other.rpartition(".")[0] for other in others}
        needs.setdefault(file.rpartition(".")[0], set()).update(names)
    try:
        TopologicalSorter({name: others - {name} for name, others in needs.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def includes() -> dict[str, list[str]]:
    return read_includes(ROOT / "cpp")


def test_every_file_lies_in_a_room_with_a_floor(includes: dict[str, list[str]]) -> None:
    assert {room_of(file) for file in includes} == set(BELOW)


def test_every_include_names_a_file_by_its_room(includes: dict[str, list[str]]) -> None:
    assert {other for others in includes.values() for other in others} <= set(includes)


def test_includes_go_down_only(includes: dict[str, list[str]]) -> None:
    assert find_upward(includes) == []


def test_no_file_needs_itself_by_way_of_others(includes: dict[str, list[str]]) -> None:
    assert find_cycle(includes) == []


@pytest.mark.parametrize(
    "file, other",
    [
        ("records/call.hpp", "machine/parallel.hpp"),
        ("kernel/abi.hpp", "plan/lineshape.hpp"),
        ("plan/plan.cpp", "models/pulse.hpp"),
        ("reference/reference.cpp", "models/generator.hpp"),
        ("models/pulse.hpp", "reference/jet.hpp"),
    ],
)
def test_an_include_that_goes_up_is_found(tmp_path: Path, file: str, other: str) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(f'#pragma once\n\n#include <vector>\n\n#include "{other}"\n')
    assert find_upward(read_includes(tmp_path)) == [f"{file} includes {other}"]


def test_two_files_that_need_each_other_are_found() -> None:
    includes = {"voxels/simulate.cpp": ["voxels/runner.hpp"], "voxels/runner.hpp": ["voxels/simulate.hpp"]}
    assert set(find_cycle(includes)) == {"voxels/simulate", "voxels/runner"}
