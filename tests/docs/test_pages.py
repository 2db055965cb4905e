"""What the pages of the documentation say in Python runs, at a smaller size, and shows what they say."""

import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from string import Template

import numpy as np
import pytest
import spinbound as sb
from spinbound import nn
from spinbound.cli.main import app
from spinbound.io import nifti
from spinbound.nn.training.recipe import KEYS
from spinbound.sequences.identity import identify
from spinbound.work import cluster

from tests.support.pages import PAGES, SMALLER, blocks, blocks_of, code, pages_with_code, run
from tests.support.paths import ROOT, read_page

torch = pytest.importorskip("torch")
JOB = {"SLURM_CPUS_PER_TASK": "8", "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "20"}
IMAGES = (np.random.default_rng(8).normal(size=(4, 3, 2, 5, 2)) @ [1, 1j]).astype(np.complex64)
# which run in tests of their own: without work, and with the published train
ELSEWHERE = {
    "reproduce.md": "tests/reproduce/test_reproduce.py",
    "training_set.md": "tests/docs/test_training_set.py",
}


def write_images(folder):
    """The images that the page on formats reads."""
    maps = {"TB1map": np.full((4, 3, 2), 90.0), "fieldmap": np.full((4, 3, 2), 10.0)}
    parts = {"magnitude": np.abs, "phase": np.angle, "real": np.real, "imaginary": np.imag}
    maps |= {"coefficients": IMAGES} | {name: part(IMAGES) for name, part in parts.items()}
    for name, values in maps.items():
        nifti.write(folder / f"{name}.nii.gz", values, np.diag([2.0, 2.0, 3.0, 1.0]))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What Python knows after a page, which runs at most once."""
    known = {}

    def after(name):
        if name not in known:
            folder = tmp_path_factory.mktemp("page")
            if name == "formats.md":
                write_images(folder)
            known[name] = run(name, folder)
        return known[name]

    return after


def test_every_page_that_shows_python_is_run():
    for path in pages_with_code():
        assert [path.match(name) for name in SMALLER].count(True) == 1, path
    assert len(pages_with_code()) == len(SMALLER)
    for name, test in ELSEWHERE.items():
        assert f'"{name}"' in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in SMALLER if name not in ELSEWHERE])
def test_the_code_of_a_page_runs(name, ran):
    ran(name)


def commands():
    """Every command of a page, its shell variables replaced by what they are there or in a job."""
    for path in PAGES:
        for block in blocks_of(path.read_text(encoding="utf-8"), "bash"):
            lines = re.sub(r"\\\n\s*", " ", block)
            known = dict(re.findall(r'^(\w+)="(.*)"$', lines, re.MULTILINE)) | JOB
            for line in re.findall(r"^spinbound .*$", lines, re.MULTILINE):
                yield pytest.param(shlex.split(Template(line).substitute(known))[1:], id=f"{path.stem}: {line[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_of_pages_are_understood(words):
    app.parse_args(words, exit_on_error=False, print_error=False)


def test_commands_are_found():
    assert len(list(commands())) > 12


# What they show


def test_bases_that_know_of_bounds_keep_more_of_them(ran):
    known = ran("bases.md")
    aware = sb.basis_report(known["aware"], known["seq"], known["prior"], 30, known["wrt"], [13])
    before, after = (report.quantiles(0.5) for report in (known["quality"], aware))
    assert all(after[name][-1] < before[name][-1] for name in ("m0s", "R1a", "T2f", "Rex"))
    assert sb.Basis.load(known["here"] / "basis.npz") == known["basis"]


def test_clusters_find_what_one_process_does(ran):
    known = ran("cluster.md")
    assert np.isfinite(known["bounds"]["m0s"]).all()
    assert known["fit"].converged.all()


def test_jobs_of_clusters_are_as_the_shell_and_the_command_take_them():
    for script in blocks("cluster.md", "bash"):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    (toml,) = blocks("cluster.md", "toml")
    assert set(tomllib.loads(toml)) < set(inspect.signature(cluster.slurm).parameters)


def test_matches_are_near_the_truth(ran):
    known = ran("dictionaries.md")
    assert known["start"].shape == (200, 3)
    errors = np.abs(known["estimate"]["B1"] - known["B1"])
    assert np.median(errors) < 0.1
    assert known["known"].tissue["B1"].shape == (200, 1)


def test_estimates_of_what_the_prior_lacks_say_so(ran):
    known = ran("estimation.md")
    assert known["result"].status[0, 0] in (sb.EstimateStatus.novel, sb.EstimateStatus.out_of_range)
    assert known["strange"][0, 0]
    assert known["strange"].sum() < 4  # of 64, of which 0.1 % are expected
    assert 1 < known["usual"] < known["limit"]


def test_the_table_of_statuses_is_complete():
    names = re.findall(r"^\| `(\w+)` ", read_page("estimation.md"), re.MULTILINE)
    assert names == [status.name for status in sb.EstimateStatus]


def test_report_cards_are_made_and_read(ran):
    known = ran("evaluation.md")
    assert known["card"].names == ("m0s", "T1a", "T2f")
    assert known["again"].table() == known["card"].table()
    assert known["card"].overall.loss[2] < known["cards"]["match"].overall.loss[2]
    assert known["maps"].bias["T2f"].shape == (1, 4, 3)
    assert all((known["here"] / f"{name}.png").stat().st_size > 10_000 for name in known["figures"])


def test_estimates_between_atoms_shrink(ran):
    score = ran("evaluation.md")["cards"]["between atoms"].overall
    assert score.variance_part_corrected[0] < 0.8
    assert score.bias_part_corrected[0] > 0.05


def test_a_function_of_ones_own_is_judged(ran):
    known = ran("evaluation.md")
    assert sb.evaluate(known["guess"], known["data"], 50, 5, names=("m0s", "T1a")).overall.loss[0] > 1


def test_experiments_give_the_numbers_of_the_page():
    shown = "print(*z.real[[0, 24]], *(100 * std / [1, 0.15, 30, 15, 10e-6]))"
    command = [sys.executable, "-W", "error", "-c", f"{code('experiments.md')}\n{shown}"]
    values = subprocess.check_output(command, text=True).split()
    stated = [float(number) for number in re.findall(r"0\.083|0\.850|[\d.]+(?= % of)", read_page("experiments.md"))]
    assert [float(f"{float(value):.2g}") for value in values] == [float(f"{number:.2g}") for number in stated]


def test_fits_find_the_truth_and_go_on(ran, capsys):
    known = ran("fitting.md")
    print(known["result"])
    assert capsys.readouterr().out.startswith("Fit(M0, m0s, R1a, R2f, Rex, T2s, omega0, B1; shape (4, 4): ")
    assert (known["here"] / "maps.npz").stat().st_size > 8 * 16 * 20
    truth = {name: np.reshape(known["truth"][name], (4, 4)) for name in ("m0s", "R1a", "R2f", "omega0")}
    for fit in ("result", "several", "started", "whitened", "posterior"):
        # a minimum in another period would be off by 1800 rad/s
        z = [np.abs(known[fit].estimates[name] - truth[name]) / known[fit].std[name] for name in truth]
        assert np.median(z) < 1.5
    assert known["result"].covariance.shape == (4, 4, 9, 9)
    assert known["known"].counts["masked"] == np.sum(~known["brain"]) > 0
    assert (known["posterior"].std["B1"] < known["result"].std["B1"]).all()
    again, first = (
        {name: values.tobytes() for name, values in known[fit].as_arrays().items()} for fit in ("again", "first")
    )
    assert again == first


def test_images_are_read_in_their_units(ran):
    known = ran("formats.md")
    assert np.array_equal(known["data"].data, IMAGES)
    assert known["B1"].data == pytest.approx(0.9)
    assert known["omega0"].data == pytest.approx(20 * np.pi)


def test_what_is_told_apart_is_printed_as_the_page_shows(tmp_path, capsys):
    run("identifiability.md", tmp_path)
    assert capsys.readouterr().out == blocks("identifiability.md", "text")[0]


def test_the_residual_of_the_operator_has_the_gradient_of_a_fixed_M0(ran):
    known = ran("simulate_operator.md")
    assert (known["theta"].grad != 0).all()
    theta, unexplained = known["theta"].detach(), known["unexplained"]
    one = lambda theta: nn.simulate(known["seq"], theta, ("m0s", "T1a", "T2f"))
    data = 2j * one(theta)
    assert unexplained(theta, data).numpy() == pytest.approx(0, abs=1e-28)  # squared roundings of numbers of order 1
    # At its best M0 has no first-order influence, so that the gradient is that of a fixed one.
    off = (0.9 * theta).requires_grad_()
    M0 = (one(off).conj() * data).sum(-1) / one(off).abs().square().sum(-1)
    (gradient,) = torch.autograd.grad(unexplained(off, data).sum(), off)
    (fixed,) = torch.autograd.grad((data - M0.detach()[:, None] * one(off)).abs().square().sum(), off)
    assert gradient.numpy() == pytest.approx(fixed.numpy(), rel=1e-9)  # what cancels is of the same order


# Learning


def test_trainings_leave_what_the_page_says(ran):
    known = ran("learning.md")
    assert len(known["history"]) == 2
    assert known["again"].names == ("m0s", "T1a", "T2f")
    assert known["again"].noise == nn.Noise(0.01, (0.1, 1.0))
    files = sorted(file.name for file in (known["here"] / "run").glob("*.*"))
    assert files == ["best.safetensors", "last.safetensors", "log.csv", "optimiser.safetensors"]


def load_training(text, folder):
    (folder / "training.toml").write_text(text, encoding="utf-8")
    return nn.Training.load(folder / "training.toml")


def test_the_training_of_the_page_is_that_of_the_examples(ran):
    known = ran("learning.md")
    (text,) = blocks("learning.md", "toml")
    example = (ROOT / "examples" / "train_crb.toml").read_text(encoding="utf-8")
    below = text.replace('"training', '"../training').replace('"valid', '"../valid')
    assert tomllib.loads(below) == tomllib.loads(example)
    training = load_training(text, known["here"])
    assert training.estimator.network.architecture == nn.Architecture.small()
    assert np.isfinite(training.run(epochs=1)["validation_crb_loss"]).all()


def test_the_training_that_simulates_can_be_read(ran):
    known = ran("learning.md")
    text = (ROOT / "examples" / "train_on_the_fly.toml").read_text(encoding="utf-8")
    known["basis"].save(known["here"] / "basis.npz")
    training = load_training(text.replace("../", ""), known["here"])
    assert training.data.n == 20_480
    assert training.estimator.trained_for["sequence_identity"] == identify(sb.sequences.load("hybrid-mt-4s"))


def test_the_table_of_keys_is_complete():
    for table, keys in KEYS.items():
        (row,) = re.findall(rf"^\| `\[{table}\]` \|(.*)\|$", read_page("learning.md"), re.MULTILINE)
        if table != "validation":
            assert all(f"`{key}`" in row for key in keys)
