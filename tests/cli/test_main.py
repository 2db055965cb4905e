"""The command line: results as the library gives them, one-line errors, exit statuses, whole files or none."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
from scipy.io import savemat
from spinbound.cli.main import main

from tests.support.commands import failure, report
from tests.support.disks import fill_disk, flip_bits

COMMANDS = ("demo", "simulate", "crb", "basis", "dictionary", "fit", "info", "verify")


@pytest.fixture
def seq() -> sb.Sequence:
    moments = ["crusher"] + ["balanced"] * 49
    angles = 0.8 + 0.6 * np.sin(np.arange(50) / 5)
    return sb.Sequence(angles, np.full(50, 4e-4), 3.5e-3, gradient_moment=moments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seq: sb.Sequence) -> Path:
    """A working directory that holds a sequence and a table of three voxels."""
    monkeypatch.chdir(tmp_path)
    seq.save("train.npz")
    Path("tissue.csv").write_text("m0s,R1f,R2f,T2s\n0.1,0.5,12,1e-5\n0.15,0.6,15,1.1e-5\n0.2,0.7,18,9e-6\n")
    return tmp_path


@pytest.fixture
def tissue() -> sb.Tissue:
    return sb.Tissue(m0s=[0.1, 0.15, 0.2], R1f=[0.5, 0.6, 0.7], R2f=[12, 15, 18], T2s=[1e-5, 1.1e-5, 9e-6])


CRB = ["crb", "train.npz", "tissue.csv"]
FEW = [*CRB, "--wrt", "M0,m0s"]
MAPS = ["crb", "train.npz", "maps.npz", "--wrt", "M0,m0s"]


def result(file: str, name: str) -> np.ndarray:
    """An array of an output."""
    with np.load(file) as written:
        return written[name]


# Results


def test_crb_writes_what_the_library_computes(here, seq, tissue):
    assert main([*CRB, "--wrt", "M0,m0s,T2f", "--sigma", "0.02", "--form", "complex"]) == 0
    bounds = sb.crb(seq, tissue, ("M0", "m0s", "T2f"), 0.02, "complex")
    with np.load("crb.npz", allow_pickle=False) as written:
        assert set(written) == {"crb_M0", "crb_m0s", "crb_T2f", "provenance"}
        for name, variance in bounds.items():
            np.testing.assert_array_equal(written[f"crb_{name}"], variance)
        assert json.loads(str(written["provenance"]))["sequence"]["sha256"] == seq.sha256
    assert Path("crb.png").read_bytes().startswith(b"\x89PNG")


def test_json_report_agrees_with_the_output(here, capsys):
    told = report(FEW, capsys)
    assert told["bounds"][1]["std"]["median"] == pytest.approx(np.sqrt(np.median(result("crb.npz", "crb_m0s"))))
    assert told["written"] == ["crb.npz", "crb.png"]


def test_table_has_a_line_per_parameter(here, capsys):
    main([*CRB, "--wrt", "M0,m0s,R2f"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:5]] == ["M0", "m0s", "R2f"]


def test_simulate_writes_what_the_library_computes(here, seq, tissue):
    assert main(["simulate", "train.npz", "tissue.csv", "--figure", "signals.png"]) == 0
    assert main(["simulate", "train.npz", "tissue.csv", "--magnetization", "-o", "m.npz", "--figure", "m.png"]) == 0
    np.testing.assert_array_equal(result("signals.npz", "signal"), sb.simulate(seq, tissue))
    states = sb.simulate(seq, tissue, output="magnetization")
    np.testing.assert_array_equal(result("m.npz", "magnetization"), states)
    assert Path("m.png").read_bytes().startswith(b"\x89PNG")


def test_signals_are_compressed_with_a_basis(here, seq, tissue):
    sb.Basis.from_svd(sb.simulate(seq, tissue), rank=2, seq=seq).save("basis.npz")
    assert main(["simulate", "train.npz", "tissue.csv", "--basis", "basis.npz", "--figure", "s.png"]) == 0
    assert result("signals.npz", "signal").shape == (3, 2)


def test_gradient_moments_of_a_file_without_them_are_given_by_words(here, seq, tissue):
    savemat("train.mat", {"alpha": seq.alpha, "TRF": seq.TRF})
    given = ["--TR", "3.5e-3", "--gradient-moment", "crusher,balanced"]
    assert main(["simulate", "train.mat", "tissue.csv", *given]) == 0
    np.testing.assert_array_equal(result("signals.npz", "signal"), sb.simulate(seq, tissue))


def test_demo_fills_a_folder_with_what_the_library_computes_and_replaces_its_own_files(here, capsys):
    assert main(["demo", "--tissues", "40"]) == 0
    out = capsys.readouterr().out
    assert out.count("T2f x T1a") == out.count("m0s x T1a") == 3
    for file in Path("spinbound-demo").iterdir():
        file.write_bytes(b"of an earlier run")
    assert main(["demo", "--tissues", "40", "--json"]) == 0
    assert {path.name for path in Path("spinbound-demo").iterdir()} == {
        *(f"{name}.png" for name in ("sequence", "signal", "magnetization", "sensitivities")),
        *(f"crb_{axis}_T1a.{suffix}" for axis in ("T2f", "m0s") for suffix in ("npz", "png")),
    }
    with np.load("spinbound-demo/crb_T2f_T1a.npz") as written:
        provenance = json.loads(str(written["provenance"]))
        maps = provenance["tissue"] | {"T1a": written["T1a"], "T2f": written["T2f"][:, None]}
        bounds = sb.crb(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(**maps), provenance["wrt"], provenance["sigma"])
        np.testing.assert_array_equal(written["crb_m0s"], bounds["m0s"])


def test_info_tells_what_runs(capsys):
    assert main(["info", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == sb.__version__
    assert told["instruction_set"] in told["available"]
    assert told["sequences"]["hybrid-mt-4s"]["pulses"] == sb.sequences.load("hybrid-mt-4s").n_pulses
    assert told["extras"]["plot"] == []
    assert main(["info"]) == 0
    assert told["compiler"] in capsys.readouterr().out


# Tissue files


def test_units_in_column_names_are_converted(here):
    np.savez("si.npz", T1a=[1.2, 1.5], T2f=[0.08, 0.1], T2s=1e-5, B1=[0.9, 1.1], omega0=2 * np.pi * 30)
    units = {"T1a [ms]": [1200, 1500], "T2f [ms]": [80, 100], "T2s [us]": 10, "B1 [%]": [90, 110], "omega0 [Hz]": 30}
    np.savez("units.npz", **units)
    for name in ("si", "units"):
        assert main(["crb", "train.npz", f"{name}.npz", "--wrt", "M0,m0s", "-o", f"crb_{name}.npz"]) == 0
    # Inputs differ by the rounding of one product; a bound is smooth in them.
    np.testing.assert_allclose(result("crb_si.npz", "crb_m0s"), result("crb_units.npz", "crb_m0s"), rtol=1e-10)


def test_empty_cell_is_an_invalid_voxel_and_leaves_the_others_as_they_are(here, capsys):
    Path("holes.csv").write_text("m0s,R1f,R2f,T2s\n0.1,0.5,12,1e-5\n0.15,,15,1.1e-5\n0.2,0.7,18,9e-6\n")
    assert main(["crb", "train.npz", "holes.csv", "--wrt", "M0,m0s", "-o", "holes.npz"]) == 3
    assert "1 of 3 voxels invalid" in capsys.readouterr().err
    assert main(FEW) == 0
    whole, holes = result("crb.npz", "crb_m0s"), result("holes.npz", "crb_m0s")
    np.testing.assert_array_equal(np.isnan(holes), [False, True, False])
    np.testing.assert_array_equal(holes[::2], whole[::2])


def test_complex_M0_is_read_from_a_table(here):
    Path("complex.csv").write_text("M0,m0s\n0.6+0.8j,0.15\n1,0.15\n")
    assert main(["simulate", "train.npz", "complex.csv"]) == 0
    first, second = result("signals.npz", "signal")
    np.testing.assert_allclose(first, (0.6 + 0.8j) * second, rtol=1e-12)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"T2ff": [0.1]}, ["did you mean 'T2f'"]),
        ({"T2f [min]": [0.1]}, ["s, ms, us"]),
        ({"B1": [95.0, 105.0]}, ["B1", "0.3 to 3", "'B1 [%]' would be converted"]),
        ({"B1": 100.0}, ["B1", "0.3 to 3"]),
        ({"B1": [0.01, 0.011]}, ["B1", "0.3 to 3"]),
        ({"m0s": np.full(3, 0.1), "R1f": np.full(4, 0.5)}, ["(3,)", "(4,)"]),
        ({"m0s": np.empty(0)}, ["no voxel"]),
    ],
)
def test_maps_that_make_no_sense_are_refused_in_words(here, capsys, columns, words):
    np.savez("maps.npz", **columns)
    message = failure(MAPS, capsys)
    assert all(word in message for word in words)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("m0s,R1f\n0.1,fast\n", "line 2, R1f: 'fast' is not a number"),
        ("m0s,R1f\n0.1,0.5\n0.1\n", "line 3: 1 values under 2 names"),
        ("m0s,m0s\n0.1,0.5\n", "twice"),
        ("m0s\n", "at least one line"),
        ("", "at least one line"),
        ("m0s,R1a,R1f\n0.1,1,1\n", "R1a and R1f"),
    ],
)
def test_bad_table_is_refused_with_the_place(here, capsys, table, message):
    Path("bad.csv").write_text(table)
    assert message in failure(["crb", "train.npz", "bad.csv"], capsys)


def test_binary_data_in_place_of_a_table_are_refused(here, capsys):
    Path("binary.csv").write_bytes(bytes(range(256)))
    assert "binary.csv" in failure(["crb", "train.npz", "binary.csv"], capsys)


def test_times_in_milliseconds_are_warned_of(here, capsys):
    np.savez("maps.npz", T1a=[1.2e3, 1.5e3], T2f=[80.0, 90.0])
    main(MAPS)
    err = capsys.readouterr().err
    assert "is it in ms? A column 'T1a [ms]' would be converted" in err
    assert "'T2f [ms]'" in err


def test_pickled_objects_are_never_loaded(here, capsys):
    class Bomb:
        def __reduce__(self):
            return Path("exploded").touch, ()

    np.savez("maps.npz", m0s=np.array([Bomb()], dtype=object))
    assert pickle.dumps(Bomb())
    assert "pickle" in failure(MAPS, capsys)
    assert not Path("exploded").exists()


def test_header_that_claims_more_than_the_file_holds_is_refused(here, capsys):
    header = str({"descr": "<f8", "fortran_order": False, "shape": (2**40,)}).ljust(117).encode() + b"\n"
    with zipfile.ZipFile("maps.npz", "w") as archive:
        archive.writestr("m0s.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)
    assert "claims" in failure(MAPS, capsys)


def test_damaged_file_is_named(here, capsys):
    np.savez("maps.npz", m0s=np.linspace(0.1, 0.2, 1000))
    for _ in flip_bits(Path("maps.npz"), [8 * 4000]):
        assert "maps.npz" in failure(MAPS, capsys)


def test_other_formats_are_refused(here, capsys):
    Path("tissue.xlsx").touch()
    assert ".npz or .csv" in failure(["crb", "train.npz", "tissue.xlsx"], capsys)


# Outputs


def test_existing_output_stays_unless_overwritten(here, capsys):
    Path("crb.npz").write_text("precious")
    assert "--overwrite" in failure(FEW, capsys)
    assert Path("crb.npz").read_text() == "precious"
    assert main([*FEW, "--overwrite"]) == 0


def test_full_disk_leaves_no_file(here, capsys, monkeypatch):
    fill_disk(monkeypatch)
    assert "No space left" in failure(CRB, capsys)
    assert sorted(os.listdir()) == ["tissue.csv", "train.npz"]


def test_output_larger_than_the_disk_is_refused_before_work(here, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and type("Usage", (), {"free": 100}))
    for command in ("simulate", "crb"):
        monkeypatch.setattr(f"spinbound._core.{command}", None)
        assert "are free" in failure([command, "train.npz", "tissue.csv"], capsys)


@pytest.mark.parametrize("column", ["R1f", "B1"])
def test_apparent_relaxation_is_reported_where_it_is_defined(here, capsys, column):
    np.savez("maps.npz", **{"R1f": [1.0, 2.0, 1.0], "R1s": [1.0, 1.0, 1.0], column: [1.0, np.nan, 1.0]})
    told = report(["crb", "train.npz", "maps.npz", "--wrt", "M0,m0s,R1a"], capsys, status=3)
    assert [row["invalid"] for row in told["bounds"]] == [1, 1, 1]
    assert Path("crb.png").exists()


@pytest.mark.parametrize("command", ["crb", "simulate"])
def test_figure_never_replaces_the_output(here, capsys, command):
    arguments = [command, "train.npz", "tissue.csv", "-o"]
    assert "a.png: the output is .npz" in failure([*arguments, "a.png"], capsys, status=2)
    if os.name != "nt":
        Path("link.png").symlink_to("out.npz")
    for figure in ("out.npz", *Path().glob("link.png")):
        assert "one file" in failure([*arguments, "out.npz", "--figure", str(figure)], capsys, status=2)
    assert not Path("out.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crb", "train.npz", "tissue.csv", "-o", "nowhere/crb.npz"], "no such folder"),
        (["crb", "nothing.npz", "tissue.csv"], "nothing.npz: No such file"),
        (["crb", "train.npz", "nothing.csv"], "nothing.csv: No such file"),
        (["demo", "-o", "tissue.csv"], "tissue.csv"),
    ],
)
def test_file_that_cannot_be_used_is_named(here, capsys, arguments, message):
    assert message in failure(arguments, capsys)


# Arguments and statuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crbb"], 'Did you mean "crb"'),
        (["crb", "train.npz"], "TISSUE"),
        ([*CRB, "--sgima", "1"], "--sigma"),
        ([*CRB, "--sigma", "0"], "--sigma"),
        ([*CRB, "--threads", "-1"], "--threads"),
        ([*CRB, "--wrt", "T2g"], "did you mean"),
        ([*CRB, "--wrt", "R1a,R1f"], "R1a and R1f"),
        ([*CRB, "--figure", "map.xyz"], "format"),
        (["crb", "hybrid-mt-4s", "tissue.csv", "--TR", "0.004"], "its own TR"),
        (["crb", "hybrid-mt-4", "tissue.csv"], "did you mean 'hybrid-mt-4s'"),
        (["simulate", "train.npz", "tissue.csv", "--magnetization", "--basis", "basis.npz"], "--basis"),
        (["demo", "--tissues", "10"], "at least 40"),
    ],
)
def test_bad_arguments_have_a_status_of_their_own(here, capsys, arguments, message):
    assert message in failure(arguments, capsys, status=2)


def test_debug_shows_the_traceback(here, capsys):
    assert main(["crb", "nothing.npz", "tissue.csv", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_is_there_for_every_command(capsys, arguments):
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Usage: spinbound" in out
    assert all(command in out for command in COMMANDS) or len(arguments) == 2


def test_version_is_that_of_the_library(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == sb.__version__


def test_start_loads_no_optional_package():
    code = "import sys, spinbound.cli.main; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"matplotlib", "torch", "dask", "nibabel", "scipy"} & set(loaded)


def test_bounds_without_matplotlib_come_without_a_figure(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(FEW) == 0
    assert "pip install 'spinbound[plot]'" in capsys.readouterr().err
    assert not Path("crb.png").exists()
    assert "pip install" in failure([*FEW, "--overwrite", "--figure", "crb.png"], capsys)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_long_run_with_a_word_and_without_output(here, number, status):
    np.savez("many.npz", m0s=np.full(1_000_000, 0.1))
    command = [sys.executable, "-m", "spinbound.cli", "crb", "hybrid-mt-4s", "many.npz", "--threads", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        process.stderr.readline()  # the note on what the file leaves out comes right before the computation
        time.sleep(1)
        process.send_signal(number)
        err = process.stderr.read()
    assert process.returncode == status
    assert err == {130: "spinbound: interrupted\n", 143: "spinbound: terminated\n"}[status]
    work = ".crb.npz.spinbound-crb"  # from which the run may go on
    assert sorted({*os.listdir()} - {work}) == ["many.npz", "tissue.csv", "train.npz"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_closed_pipe_is_no_reason_to_complain(here):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "spinbound.cli", "info"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert ended.stderr == ""
