"""`spinbound verify`: every check passes, none passes for a wrong number, and the arrays are those of their script."""

import importlib
import json
import sys
from dataclasses import replace
from math import inf, nan
from unittest import mock

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main
from spinbound.conformance import cases
from spinbound.sequences.model import MODELS

from tests.support.paths import ROOT

verification = importlib.import_module("spinbound.conformance.verify")  # the package's name for it is the function
arrays = importlib.import_module("spinbound.conformance.arrays")


@pytest.fixture(scope="module")
def rows():
    return sb.verify()


@pytest.fixture
def few(monkeypatch):
    """The checks cut down to the quick ones of this list, which a test may change."""
    checks = [check for check in verification.CHECKS if "continuous wave" in check.what or "G(10)" in check.what]
    monkeypatch.setattr(verification, "CHECKS", checks)
    return checks


def test_every_check_passes(rows):
    assert [(row.what, row.got, row.problem) for row in rows if not row.passed] == []


def test_every_check_says_what_it_is_and_who_says_so(rows):
    assert len({row.what for row in rows}) == len(rows)
    assert all(row.source for row in rows)


def test_tolerances_leave_no_room_for_another_answer(rows):
    for row in rows:
        assert 0 < row.tolerance <= (1e-2 * abs(row.expected) if row.expected else 1e-5), row.what


def test_every_model_has_stored_arrays_or_a_closed_form(rows):
    assert {case.model for case in cases.CASES} == set(MODELS)
    assert any("hybrid" in row.what for row in rows)


@pytest.mark.parametrize("got", [1 + 2e-8, 1 - 2e-8, nan, inf])
def test_what_is_out_of_tolerance_has_not_passed(got):
    row = sb.Verification("one", expected=1.0, got=got, tolerance=1e-8, source="arithmetic")
    assert not row.passed
    assert replace(row, got=1 + 0.9e-8).passed


def test_wrong_constant_fails_its_row_and_the_command(few, capsys):
    few[0] = replace(few[0], expected=few[0].expected + 2 * few[0].tolerance)
    assert [row.passed for row in sb.verify()] == [False, True]
    assert main(["verify"]) == 1
    captured = capsys.readouterr()
    assert "2 checks" in captured.out
    assert "1 failed" in captured.out
    assert captured.out.count("FAILED") == 1
    assert captured.err.splitlines()[-1] == f"spinbound: failed: {few[0].what}"


(HYBRID,) = (case for case in cases.CASES if case.train == "hybrid-mt-4s")


def spoil(monkeypatch, field, factor):
    """Have an array of the hybrid train stored with a factor."""
    stored = dict(cases.load(HYBRID))
    monkeypatch.setattr(arrays, "load", lambda _: stored | {field: stored[field] * factor})


@pytest.mark.parametrize("field", ["signal", "jacobian"])
def test_wrong_array_fails_its_row(monkeypatch, field):
    spoil(monkeypatch, field, 1 + 3e-7)
    checks = [check for check in verification.CHECKS if check.what.startswith(HYBRID.train)]
    monkeypatch.setattr(verification, "CHECKS", checks)
    assert [row.passed for row in sb.verify()] == [field != "signal", field != "jacobian"]


def test_sensitivity_to_what_has_no_influence_must_vanish(monkeypatch):
    spoil(monkeypatch, "jacobian", np.array([1, 1, 1, 0, 1, 1, 1, 1]))
    assert arrays.jacobian_error(HYBRID) == inf


def test_check_that_raises_has_failed_and_the_others_run(few, capsys):
    few[0] = replace(few[0], compute=mock.Mock(side_effect=sb.InvalidParameter("no such thing")))
    rows = sb.verify()
    assert [row.passed for row in rows] == [False, True]
    assert rows[0].problem == "InvalidParameter: no such thing"
    assert main(["verify"]) == 1
    assert f"failed: {few[0].what}: InvalidParameter: no such thing" in capsys.readouterr().err


def test_interruption_ends_all_checks(few):
    few[0] = replace(few[0], compute=mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        sb.verify()


def test_progress_counts_the_checks(few):
    seen = []
    sb.verify(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(sb.InvalidParameter, match="progress must be"):
        sb.verify(progress=3)


# The command


def test_command_prints_a_line_for_every_check(few, capsys):
    assert main(["verify"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:-1]] == [check.what for check in few]
    assert all("passed" in line and check.source in line for line, check in zip(lines[1:-1], few, strict=True))
    assert lines[-1].startswith("2 checks in ")
    assert lines[-1].endswith("0 failed")


def test_json_report_holds_the_rows(few, capsys):
    few[0] = replace(few[0], expected=0.0)
    assert main(["verify", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["spinbound"] == sb.__version__
    assert report["failed"] == 1
    assert [check["passed"] for check in report["checks"]] == [False, True]
    assert report["checks"][1]["expected"] == few[1].expected
    assert set(report["checks"][0]) == {"what", "expected", "got", "tolerance", "source", "problem", "passed"}


# The stored arrays


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    yield importlib.import_module("make_conformance")
    for name in ("make_conformance", "plain_models"):
        sys.modules.pop(name)


def test_arrays_are_those_that_their_script_makes(script):
    for case in cases.CASES:
        if case.model in ("bloch", "graham", "graham-single-frequency") or case.lineshape == "lorentzian":
            # Rounding, of steady states that multiply it; BLAS differs between machines.
            assert max(script.difference(script.by_plain_models(case), cases.load(case))) < 1e-11, case


def test_train_is_that_of_the_script(script):
    assert cases.CASES[0].sequence() == script.ten_pulses()


def test_constants_are_those_that_the_script_solves_for(script):
    solved = script.constants()
    stated = {check.what: check.expected for check in verification.CHECKS}
    pairs = {
        "G(10)": "G(10), super-Lorentzian",
        "z, tau = 5": "zs after pi, TRF = 5 T2s, gbloch",
        "z, tau = 500/12": "zs after pi, TRF = 500/12 T2s, gbloch",
        "z, tau = 100": "zs after pi, TRF = 100 T2s, gbloch",
        "z, T2s 12 us, R1s 3/s": "zs after pi/500 us, T2s 12 us, R1s 3/s, gbloch-ide",
        "sled - gbloch-ide, 1 ms": "sled - gbloch-ide, zs after pi/1 ms",
        "sled - gbloch-ide, 0.1 ms": "sled - gbloch-ide, zs after pi/0.1 ms",
        "CRB of m0s": "CRB of m0s, hybrid-mt-4s, white matter",
        "CRB of T2s": "CRB of T2s, hybrid-mt-4s, white matter (s^2)",
        "Graham's rate": "saturation rate, pi/500 us, T2s 12 us (1/s)",
    }
    assert set(pairs) == set(solved)
    for name, what in pairs.items():
        # Half a unit of the last digit that is stated, the tenth for Sled's and Graham's.
        assert float(solved[name]) == pytest.approx(stated[what], rel=3e-9 if "sled" in name else 2e-9), name


def test_files_are_those_of_the_cases_and_small():
    files = {path.name: path.stat().st_size for path in cases.FOLDER.iterdir() if path.suffix in (".npz", ".toml")}
    assert set(files) == {"ten-pulses.toml", "ten-turns.toml", *(f"{case.name}.npz" for case in cases.CASES)}
    assert sum(files.values()) < 200_000
