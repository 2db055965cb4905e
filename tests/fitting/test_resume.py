"""A fit that is killed, stopped or short of disk goes on to the same bits, and never from files that are in doubt."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import spinbound as sb
import spinbound._core as _core
from spinbound.estimators.fitting import chunks as _fit_chunks

from tests.support.processes import output_of
from tests.support.trains import noise, random_tissues, smooth_train

N, CHUNK = 40, 8
SEQ = smooth_train(40)
DATA = sb.simulate(SEQ, random_tissues(N, seed=2)) + noise((N, 40), 0, 1e-4)
BASE = {"seq": SEQ, "free": ("M0", "m0s", "R2f"), "start": {"m0s": 0.15, "R2f": 20}}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(_fit_chunks, "CHUNK", CHUNK)


def fitted(**changes):
    return sb.fit(**({"data": DATA} | BASE | changes))


def bits(fit):
    return {name: values.tobytes() for name, values in fit.as_arrays().items()}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def no_fit(*_):
    raise AssertionError("fitted again")


SCRIPT = """
import os, resource, signal, sys
import numpy as np
import spinbound as sb
from spinbound.estimators.fitting import chunks
chunks.CHUNK = 8
inputs, folder, how = sys.argv[1:]
with np.load(inputs) as content:
    data, alpha, TRF = content["data"], content["alpha"], content["TRF"]
seq = sb.Sequence(alpha, TRF, 3.5e-3, gradient_moment=["crusher"] + ["balanced"] * 39)

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def progress(done, total):
    if how == "between" and len(os.listdir(folder)) > 4:
        kill()

if how == "writing":
    savez, written = np.savez, []
    def half(stream, **arrays):
        written.append(stream)
        if len(written) == 3:
            stream.write(b"PK half a file")
            stream.flush()
            kill()
        savez(stream, **arrays)
    np.savez = half
if how == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))
try:
    sb.fit(data, seq, free=("M0", "m0s", "R2f"), start={"m0s": 0.15, "R2f": 20}, resume=folder, progress=progress)
except OSError as problem:
    print(problem.errno, problem.filename)
"""


def run(folder, how):
    inputs = folder.with_name("inputs.npz")
    np.savez(inputs, data=DATA, alpha=SEQ.alpha, TRF=SEQ.TRF)
    command = [sys.executable, "-c", SCRIPT, inputs, folder, how]
    return subprocess.run(command, timeout=120, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("how", "chunks_left"), [("between", 3), ("writing", 2)])
def test_a_killed_run_goes_on_to_the_same_bits(how, chunks_left, tmp_path, monkeypatch):
    whole = fitted(resume=tmp_path / "whole")
    done = run(tmp_path / "killed", how)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    kept = {name: content for name, content in files(tmp_path / "killed").items() if name.startswith("voxels")}
    assert len(kept) == chunks_left
    called = []

    def counted(call, *others, fit=_core.fit):
        called.append(call.n_voxels)
        return fit(call, *others)

    monkeypatch.setattr(_core, "fit", counted)
    assert bits(fitted(resume=tmp_path / "killed")) == bits(whole) == bits(fitted())
    assert sum(called) == 2 * N - CHUNK * chunks_left
    resumed, undisturbed = files(tmp_path / "killed"), files(tmp_path / "whole")
    assert {name: resumed[name] for name in undisturbed} == undisturbed
    assert {name: resumed[name] for name in kept} == kept


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    folder = tmp_path / "made" / "ünd so"
    first = fitted(resume=folder, mask=np.arange(N) % 5, covariance=True)
    monkeypatch.setattr(_core, "fit", no_fit)
    reports = []
    again = fitted(resume=str(folder), mask=np.arange(N) % 5, covariance=True, threads=1,
                   progress=lambda *report: reports.append(report))  # fmt: skip
    assert bits(again) == bits(first)
    assert again.settings == first.settings
    assert reports == [(8, 32), (16, 32), (24, 32), (32, 32)]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_names_the_file_and_leaves_nothing_half_written(tmp_path):
    done = run(tmp_path / "full", "full")
    assert done.stderr == ""
    number, name = done.stdout.split()
    assert (number, name) == ("27", str(tmp_path / "full" / "voxels-0000000000.npz"))
    assert not (tmp_path / "full").exists()
    assert bits(fitted(resume=tmp_path / "full")) == bits(fitted())


# Whose work it is

CHANGES = {
    "data": {"data": DATA * (1 + 1e-15)},
    "seq": {"seq": smooth_train(40, TR=3.6e-3)},
    "free": {"free": ("M0", "R2f", "m0s")},
    "start": {"start": BASE["start"] | {"m0s": 0.16}},
    "bounds": {"bounds": {"m0s": (0, 0.5)}},
    "fixed": {"fixed": {"R1f": 0.6}},
    "a map": {"fixed": {"R1f": np.full(N, 0.5)}},
    "mask": {"mask": np.arange(N)},
    "sigma": {"sigma": 1e-4},
    "prior": {"sigma": 1.0, "prior": {"m0s": (0.15, 0.1)}},
    "max_iterations": {"max_iterations": 99},
    "tolerance": {"tolerance": 1e-9},
    "model": {"model": "graham"},
    "projection": {"variable_projection": False, "start": BASE["start"] | {"M0": 1}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fit_chunks, "CHUNK", CHUNK)
        fitted(resume=path)
    return path


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_work_of_another_fit_is_refused(folder, changes, monkeypatch):
    monkeypatch.setattr(_core, "fit", no_fit)
    with pytest.raises(sb.InvalidData, match=r"of another fit, which differs in .*; remove it, or name") as why:
        fitted(**changes, resume=folder)
    assert str(folder) in str(why.value)


def test_means_and_widths_of_priors_tell_fits_apart(tmp_path):
    prior = {"m0s": (0.15, 0.1)}
    fitted(sigma=1.0, prior=prior, resume=tmp_path)
    for other in ({"m0s": (0.16, 0.1)}, {"m0s": (0.15, 0.2)}, {"R2f": (0.15, 0.1)}):
        with pytest.raises(sb.InvalidData, match="another fit"):
            fitted(sigma=1.0, prior=other, resume=tmp_path)


def test_bases_and_dictionaries_tell_fits_apart(tmp_path):
    whole = sb.Basis.from_svd(DATA, rank=12, seq=SEQ)
    bases = [sb.Basis(whole.vectors[:, first : first + 6], seq=SEQ) for first in (0, 1)]
    atoms = [sb.dictionary(SEQ, sb.Tissue(m0s=np.linspace(0, high, 9)), basis=bases[0]) for high in (0.2, 0.3)]
    data = bases[0].compress(DATA)
    fitted(data=data, basis=bases[0], start=None, dictionary=atoms[0], resume=tmp_path / "atoms")
    fitted(data=data, basis=bases[0], resume=tmp_path / "basis")
    with pytest.raises(sb.InvalidData, match="another fit"):
        fitted(data=data, basis=bases[0], start=None, dictionary=atoms[1], resume=tmp_path / "atoms")
    with pytest.raises(sb.InvalidData, match="another fit"):
        fitted(data=data, basis=bases[1], resume=tmp_path / "basis")


# Files that cannot be trusted


def copied(folder, tmp_path):
    """A folder of one's own, and its second file of results."""
    for name, content in files(folder).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path / f"voxels-{CHUNK:010d}.npz"


@pytest.mark.parametrize("size", [0, 1, 100, -200, -1])
def test_a_truncated_file_is_named(folder, tmp_path, size):
    file = copied(folder, tmp_path)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(OSError, match=file.name):
        fitted(resume=tmp_path)


def test_a_flipped_bit_is_named_or_changes_nothing(folder, tmp_path):
    file = copied(folder, tmp_path)
    whole, expected, words = file.read_bytes(), bits(fitted()), []
    places = range(0, len(whole), 37)
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:  # dates and the like in the headers of the archive mean nothing
            assert bits(fitted(resume=tmp_path)) == expected
        except (OSError, sb.InvalidData) as problem:
            words.append(str(problem))
    assert len(words) > 0.6 * len(places)
    assert all(file.name in word for word in words)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("status"),
        lambda arrays: arrays.update(estimates=arrays["estimates"][:, :-1]),
        lambda arrays: arrays.update(status=arrays["status"].astype(float)),
    ],
    ids=["missing", "short", "type"],
)
def test_a_file_of_something_else_is_named(folder, tmp_path, change):
    file = copied(folder, tmp_path)
    with np.load(file) as content:
        arrays = dict(content)
    change(arrays)
    np.savez(file, **arrays)
    with pytest.raises(
        sb.InvalidData, match=f"{file.name}: not the results of 8 voxels; remove it, and they are computed again"
    ):
        fitted(resume=tmp_path)
    file.unlink()
    assert bits(fitted(resume=tmp_path)) == bits(fitted())


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"])
def test_a_damaged_description_is_not_taken_for_this_fit(folder, tmp_path, content):
    copied(folder, tmp_path)
    (tmp_path / "fit.json").write_bytes(content)
    with pytest.raises(sb.InvalidData, match="another fit"):
        fitted(resume=tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_two_runs_do_not_work_in_one_folder(tmp_path):
    def another(*_):
        fitted(resume=tmp_path)

    with pytest.raises(sb.InvalidData, match="is in use by another run"):
        fitted(resume=tmp_path, progress=another)
    assert bits(fitted(resume=tmp_path)) == bits(fitted())


def test_results_without_a_description_are_refused(folder, tmp_path):
    copied(folder, tmp_path)
    (tmp_path / "fit.json").unlink()
    with pytest.raises(sb.InvalidData, match=r"holds results but not fit\.json"):
        fitted(resume=tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        fitted(resume=tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


# Progress and Ctrl-C


@pytest.mark.parametrize("options", [{}, {"start": {}, "multi_start": 2}])
def test_progress_rises_to_the_number_of_voxels(options):
    reports = []
    data = DATA.copy()
    data[:9] = 0
    fitted(data=data, mask=np.arange(N) != 20, progress=lambda *report: reports.append(report), **options)
    assert reports == sorted(reports)
    assert {total for _, total in reports} == {N - 1}
    assert [report for report in reports if report[0] in (8, 16, 24, 32, 39)]
    assert reports[-1] == (N - 1, N - 1)


def test_what_the_progress_raises_ends_the_fit_and_leaves_what_is_done(tmp_path):
    def stop(done, _):
        if done >= 2 * CHUNK:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        fitted(resume=tmp_path, progress=stop)
    assert len(files(tmp_path)) == 2  # the second 8 are fitted, but not yet written
    assert bits(fitted(resume=tmp_path)) == bits(fitted())


CTRL_C = """
seq = sb.sequences.load("hybrid-mt-4s")
data = np.random.default_rng(0).normal(size=(5000, 2 * 1142)).view(complex)
free = ("M0", "m0s", "R1f", "R2f", "Rex", "R1s", "T2s", "omega0", "B1")
start = dict(m0s=0.2, R1f=0.3, R2f=15, Rex=20, R1s=3, T2s=10e-6, omega0=0, B1=1)
for delay in (0.3, 0.6, 0.9):
    later(delay, signal.SIGINT)
    try:
        sb.fit(data, seq, free=free, threads=2 OPTIONS)
        print("not interrupted")
    except KeyboardInterrupt:
        print(time.perf_counter() - sent)
one = sb.fit(sb.simulate(seq, sb.Tissue()), seq, free=free, start=start)
assert one.converged
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("options", [", start=start", "", ", start=start, progress=lambda *_: None"])
def test_ctrl_c_ends_a_fit_at_once(options):
    delays = output_of(CTRL_C.replace("OPTIONS", options))
    # the fastest of three: other work on the machine can only add to it
    assert min(map(float, delays)) < 0.2
