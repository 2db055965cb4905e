"""The reproduction of a paper: every figure and number is in the report, and what is done is not done again."""

import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import app, main
from spinbound.reproduce import Settings, claims, crb_paper
from spinbound.reproduce.data import PaperProblem, find_middle, make_plane, prepare_basis
from spinbound.reproduce.figures import format_median_and_spread
from spinbound.reproduce.measured import as_slice
from spinbound.reproduce.work import open_work

from tests.support.pages import code
from tests.support.paths import read_page
from tests.support.trains import smooth_train

TRAIN = smooth_train(80)
BASIS = sb.Basis.from_svd(sb.simulate(TRAIN, sb.Prior.paper().within(TRAIN).sample(200)), rank=13, seq=TRAIN)
TINY = Settings(
    n_basis=200,
    n_training=512,
    n_validation=128,
    n_test=64,
    architecture="small",
    epochs=2,
    halve_every=1,
    batch=128,
    realizations=3,
    snr_levels=(10.0, 50.0),
    slice_shape=(6, 5),
    phantom_shape=(24, 24),
)
OPTIONS = {"basis": BASIS, "device": "cpu", "threads": 2}
FIGURES = {str(number) for number in range(1, 11)}


pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")  # the slice is noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("paper") / "out"


@pytest.fixture(scope="module")
def lines():
    """What the first run tells."""
    return []


@pytest.fixture(scope="module")
def in_vivo():
    """A slice of six voxels with data, whose coefficients are noise: what is made of them does not matter here."""
    rng = np.random.default_rng(2)
    data = np.zeros((4, 5, 13), complex)
    data[1:3, 1:4] = rng.normal(size=(2, 3, 13)) + 1j * rng.normal(size=(2, 3, 13))
    return data


@pytest.fixture(scope="module")
def report(folder, lines, in_vivo):
    """The report of a tiny run."""
    return crb_paper(TRAIN, folder, TINY, in_vivo=in_vivo, **OPTIONS, tell=lines.append)


def states(folder):
    """Content and time of every file but locks."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def text(report):
    return report.read_text(encoding="utf-8")


def test_every_figure_is_drawn_and_in_the_report(text, folder):
    drawn = sorted((folder / "figures").glob("*.png"))
    assert {path.name.split("-")[1] for path in drawn} == FIGURES
    assert text.count('src="data:image/png;base64,') == len(drawn)
    assert all(re.search(rf"Fig\. {number}\D", text) for number in FIGURES)


def test_numbers_stand_beside_those_of_the_paper(text):
    times = ("5.23 ms", "14.1 ms", "0.11 s", "0.07 s")
    for stated in (*times, "0.0053", "0.0065", "approximately 1", "approximately 10 %"):
        assert f"<td>{stated}</td>" in text
    rows = re.findall(r"<tr><td>(\d+)</td>(.*?)</tr>", text)
    assert {figure for figure, _ in rows} == FIGURES
    assert not re.findall(r"<td>[^<]*\bnan\b", text)


def test_settings_and_provenance_are_told(text, folder):
    for name in ("n_training", "realizations", TRAIN.sha256, sb.__version__):
        assert name in text
    steps = json.loads((folder / "seconds.json").read_text())
    assert all(f"<td>{step}</td>" in text for step in steps)


def test_a_second_call_does_nothing_anew(report, folder, in_vivo):
    before, lines = states(folder), []
    assert crb_paper(TRAIN, folder, TINY, in_vivo=in_vivo, **OPTIONS, tell=lines.append) == report
    after = states(folder)
    assert all(line.endswith(": there") for line in lines)
    assert after.pop("report.html")[0] == before.pop("report.html")[0]  # it is written again, to the same bytes
    assert after == before


def test_each_step_is_told_as_it_begins(report, lines):
    assert len(lines) == len(set(lines))
    assert lines[0] == "training set: begins"
    assert "training of NN-MSE: begins" in lines


def test_without_a_slice_its_figure_is_left_out_and_the_report_says_so(report, folder):
    kept = report.read_bytes()
    crb_paper(TRAIN, folder, TINY, **OPTIONS)
    text = report.read_text(encoding="utf-8")
    report.write_bytes(kept)
    assert "Fig. 8 is left out" in text
    assert "<td>8</td>" not in text


def test_other_settings_are_refused_by_name(report, folder):
    with pytest.raises(sb.InvalidData, match="another reproduction, which differs in epochs, seed; remove it"):
        crb_paper(TRAIN, folder, replace(TINY, epochs=3, seed=1), basis=BASIS)


def test_a_figure_that_is_lost_is_drawn_again(report, folder, in_vivo):
    path = folder / "figures" / "figure-7-phantom.png"
    before = path.read_bytes()
    path.unlink()
    crb_paper(TRAIN, folder, TINY, in_vivo=in_vivo, **OPTIONS)
    assert path.read_bytes() == before


# The parts


def test_a_folder_whose_settings_are_damaged_is_refused(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(sb.InvalidData, match="another reproduction; remove it"), open_work(tmp_path, {}, print):
        pass


def test_slices_pass_through_the_means_of_the_training_distribution():
    prior = sb.Prior.paper()
    tissue = make_plane(prior, ("T2f", "T1a"), (6, 5))
    assert tissue.shape == (6, 5)
    assert (tissue["m0s"], tissue["B1"], tissue["omega0"]) == (0.12, 1, 0)
    assert np.ptp(tissue["T2f"], axis=0) == pytest.approx(0.29)
    assert find_middle(prior)["T2s"] == pytest.approx(12.5e-6)


def test_deviations_are_relative_medians_of_what_is_known():
    reference = {"m0s": np.array([0.1, 0.1, 0.1, np.nan, 0.0])}
    maps = {"m0s": np.array([0.11, 0.12, 0.07, 0.1, 0.1])}
    deviation = claims.compute_median_deviation(maps, reference, "m0s", np.ones(5, bool))
    assert deviation == pytest.approx(0.2)  # of 0.1, 0.2 and 0.3
    assert np.isnan(claims.compute_median_deviation(maps, reference, "m0s", np.zeros(5, bool)))


def test_numbers_of_a_report_card_are_those_of_its_maps():
    data = sb.reference_set(TRAIN, sb.Tissue(m0s=[0.1, 0.2]), wrt=("M0", "m0s"))
    card = sb.evaluate(lambda signals: {"m0s": np.full(len(signals), 0.13)}, data, snr=50, realizations=3)
    assert claims.compute_mean_bias(card, "m0s") == pytest.approx(0.05)
    assert claims.compute_share_near_bound(card, "m0s", 0) == 0  # it does not vary at all
    assert claims.compute_bias_share(card, 0) == 1


def test_the_note_on_a_map_takes_no_notice_of_a_fit_that_is_far_off():
    assert format_median_and_spread("T2f", np.array([0.06, 0.07, 0.07, 0.08, 5.0, np.nan])) == "70 ± 5 ms"
    assert format_median_and_spread("T2f", np.array([np.nan])) == "no result"


@pytest.mark.parametrize(
    "data, basis, message",
    [
        (np.zeros((4, 5, 12), complex), BASIS, r"in_vivo has shape \(4, 5, 12\); allowed: \(rows, columns, 13\)"),
        (np.zeros((4, 5, 3, 13), complex), BASIS, "allowed: .* coefficients of a slice"),
        (np.zeros((4, 5, 13)), BASIS, "in_vivo must be complex coefficients"),
        (np.zeros((4, 5, 13), complex), None, "give that basis, too"),
    ],
)
def test_what_is_no_slice_is_refused(data, basis, message):
    with pytest.raises(sb.InvalidData, match=message):
        as_slice(data, 13, basis)


def test_a_slice_may_have_lone_axes():
    assert as_slice(np.zeros((4, 5, 1, 13), complex), 13, BASIS).shape == (4, 5, 13)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"epochs": 0}, "epochs must be an integer of at least 1"),
        ({"architecture": "large"}, "architecture is 'large'; allowed: paper, small"),
        ({"snr": 30.0}, "snr is 30; allowed: one of snr_levels"),
        ({"sigma": 0.0}, "sigma is 0; allowed: sigma > 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        replace(TINY, **change)


def test_the_full_settings_are_those_of_the_paper():
    full = Settings.full()
    assert (full.n_training, full.n_validation, full.n_test) == (92_160, 10_240, 9_056)
    assert (full.epochs, full.batch, full.learning_rate, full.halve_every) == (400, 512, 0.01, 40)


# The command


COMMAND = ["reproduce", "crb-paper", "--quick", "--train", "train.npz", "--seed", "3", "--device", "cpu", "--json"]


def test_options_reach_the_library(tmp_path, monkeypatch, capsys):
    given = {}

    def note(seq, folder, settings, **options):
        given.update(seq=seq, folder=folder, settings=settings, **options)
        options["tell"]("basis: begins")
        return folder / "report.html"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spinbound.reproduce.crb_paper", note)
    TRAIN.save("train.npz")
    BASIS.save("basis.npz")
    np.savez("slice.npz", coefficients=np.ones((2, 3, 13), complex))
    assert main([*COMMAND, "--basis", "basis.npz", "--in-vivo", "slice.npz", "--threads", "2"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"written": [os.path.join("crb-paper", "report.html")]}
    assert captured.err == "spinbound: basis: begins\n"
    assert given["seq"] == TRAIN
    assert given["settings"] == replace(Settings.quick(), seed=3)
    assert np.array_equal(given["basis"].vectors, BASIS.vectors)
    assert given["in_vivo"].shape == (2, 3, 13)
    assert (given["device"], given["threads"], given["model"]) == ("cpu", 2, sb.Model())


# The page


def test_the_code_of_the_page_runs(monkeypatch):
    asked = []
    monkeypatch.setattr("spinbound.reproduce.crb_paper", lambda *given, **options: asked.append((given, options)))
    exec(code("reproduce.md"), {})
    (((*_, settings), options),) = asked
    assert (settings.epochs, options) == (20, {"tell": print})


def test_the_commands_of_the_page_are_understood():
    commands = re.findall(r"^spinbound (.*?[^\\])\n", read_page("reproduce.md"), re.DOTALL | re.MULTILINE)
    commands = [command.replace("\\\n", " ") for command in commands]
    bound = [app.parse_args(command, exit_on_error=False, print_error=False)[1] for command in commands]
    assert [each.arguments["output"].name for each in bound] == ["crb-paper", "crb-paper-published"]


PROBLEM = PaperProblem(seq=TRAIN, prior=sb.Prior.paper().within(TRAIN), model=sb.Model())


def test_a_basis_is_made_once_where_none_is_given(tmp_path):
    lines = []
    with open_work(tmp_path, {}, lines.append) as work:
        made = prepare_basis(work, PROBLEM, TINY, None)
        assert prepare_basis(work, PROBLEM, TINY, None).vectors.tobytes() == made.vectors.tobytes()
    assert lines == ["basis: begins", "basis: there"]
    assert made.rank == 13


def test_a_basis_with_too_few_vectors_is_refused(tmp_path):
    with open_work(tmp_path, {}, print) as work, pytest.raises(sb.InvalidData, match="has 4 vectors; at least 13"):
        prepare_basis(work, PROBLEM, TINY, BASIS.truncate(4))
