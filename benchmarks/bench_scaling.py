"""`python benchmarks` at its smallest: the numbers make sense, and the tables and the figure hold them."""

from itertools import chain

import numpy as np
import pytest
from spinbound import _core

from benchmarks.measure import comparison, machine, native, scaling
from benchmarks.measure.peak import FLAGS, Peak
from benchmarks.peers import spinbound_reference
from benchmarks.report import tables

from . import __main__ as command
from . import workload

needs_compiler = pytest.mark.skipif(not native.compiler(), reason="no C++ compiler found")


@pytest.fixture(scope="module")
def record():
    """What `python benchmarks` would record, of one call and one peer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "CALLS", ("sensitivities",))
        patch.setattr(scaling, "VOXELS", {True: (1, 10)})
        patch.setattr(scaling, "PULSES", {True: (20, 100)})
        patch.setattr(scaling, "MANY", {True: 16})
        patch.setattr(scaling, "BUDGET", {True: 300.0})
        patch.setattr(comparison, "PEERS", (spinbound_reference.PEER,))
        results, left_out = scaling.measure(quick=True)
        peers, missing = comparison.compare("bundled", 1, 4)
    return {
        "machine": machine.describe(),
        "quick": True,
        "load": (machine.load(), machine.load()),
        "seconds": 1.0,
        "scaling": results,
        "left out": left_out,
        "peers": peers,
        "missing": missing | {"absent": "not installed"},
    }


@needs_compiler
def test_every_point_has_its_times_and_memory(record):
    assert record["left out"] == []
    for result in chain.from_iterable(record["scaling"].values()):
        assert 0 < result["seconds"] < 60
        assert 1e4 < result["possible per voxel"] < 1e12
        if result["memory"] is not None:  # the results are there, and little else
            assert result["results"] <= result["memory"] + 2**20
            assert result["memory"] <= result["results"] + 100 * 2**20


@needs_compiler
def test_no_more_is_done_than_was_possible(record):
    done = [r["fraction of peak"] for r in record["scaling"]["kernel"] if r["fraction of peak"] is not None]
    assert all(0.02 < fraction < 1.2 for fraction in done)  # the clock moves between the two measurements


@needs_compiler
def test_the_tables_have_a_row_for_every_result(record):
    text = tables.markdown(record)
    assert "| bundled, random | `sensitivities` |" in text
    assert f"| {spinbound_reference.PEER.name}" not in text
    assert f"| **{spinbound_reference.PEER.name}**" in text
    assert "absent (not installed)" in text


@needs_compiler
def test_the_figure_has_a_panel_for_everything(record):
    figure = pytest.importorskip("benchmarks.report.figure").draw(record)
    assert len(figure.axes) == 4


def test_only_the_generated_part_of_the_page_changes(tmp_path, monkeypatch):
    page, (part, other) = tmp_path / "page.md", command.PARTS
    begin, end = part.marks
    rest = "".join(other.marks)
    page.write_text(f"above\n{begin}{end}{rest}below\n")
    monkeypatch.setattr(command, "PAGE", page)
    command.write_docs(part, "first")
    command.write_docs(part, "second\n")
    assert page.read_text() == f"above\n{begin}\nsecond\n\n{end}{rest}below\n"


@needs_compiler
@pytest.mark.parametrize("isa", _core.isa_available())
def test_the_peak_is_that_of_a_processor(isa):
    lanes = int(FLAGS[isa][0][-1])
    assert 0.05e9 * lanes < Peak(isa)() < 40e9 * lanes  # operations per second of one core


def curve(sizes, seconds):
    """Results of batches of several sizes."""
    points = (scaling.point("crb", "avx2", 1, n_voxels=n, patience=1.0) for n in sizes)
    return [{**point, "seconds": each, "cost": each} for point, each in zip(points, seconds, strict=True)]


def test_the_exponent_is_that_of_the_last_decade():
    sizes = np.array([1, 10, 100, 1000])
    assert scaling.slope(curve(sizes, np.array([5, 5, 5.0, 50.0])), "n_voxels") == pytest.approx(1)
    assert scaling.slope(curve(sizes, 1e-3 * sizes**1.5), "n_voxels") == pytest.approx(1.5)
    assert scaling.slope(curve([1], [1.0]), "n_voxels") is None


def test_a_larger_point_is_predicted_from_the_largest_of_its_kind():
    measured = curve([10, 100], [1.0, 2.0])
    assert scaling.predicted(curve([1000], [0])[0], measured) == pytest.approx(20)
    assert scaling.predicted({**measured[0], "threads": 2}, measured) == 0


def test_what_takes_too_long_is_left_out(monkeypatch):
    points = curve([1, 10], [1.0, None])
    monkeypatch.setattr(scaling, "series", lambda _: {"voxels": points})
    monkeypatch.setattr(scaling, "in_own_process", lambda point: point)
    monkeypatch.setattr(scaling, "LONGEST", 5.0)
    results, left_out = scaling.measure(quick=True)
    assert [r["n_voxels"] for r in results["voxels"]] == [1]
    assert [(p["n_voxels"], p["predicted"]) for p in left_out] == [(10, 10.0)]


def test_a_resampled_train_keeps_its_inversion_and_its_range():
    whole, short = workload.load_train("bundled"), workload.load_train("bundled", 100)
    assert short.n_pulses == 100
    assert (short.alpha[0], short.TRF[0], short.gradient_moment[0]) == (whole.alpha[0], whole.TRF[0], "crusher")
    assert whole.TRF.min() <= short.TRF.min() <= short.TRF.max() <= whole.TRF.max()


@pytest.mark.parametrize("value, text", [(0, "0"), (1234567.0, "1,230,000"), (0.012345, "0.0123"), (float("nan"), "–")])
def test_numbers_have_three_digits(value, text):
    assert tables.digits(value) == text
