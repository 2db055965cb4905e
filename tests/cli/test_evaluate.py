"""``spinbound evaluate``: report cards of fits and matches, resumed, in parts, beside others."""

import json

import numpy as np
import pytest
import spinbound as sb
from spinbound.cli.main import main
from spinbound.evaluation import pairs as _evaluation_chunks

from tests.support.commands import error
from tests.support.trains import smooth_train

pytest.importorskip("zarr")

SEQ, WRT = smooth_train(40), ("M0", "m0s", "T2f")
PRIOR = sb.Prior(m0s=sb.Uniform(0.05, 0.3), T2f=sb.Uniform(0.03, 0.12))
COMMON = ["--snr", "100,1000", "--realizations", "10"]
LOUD = ["evaluate", "match", "test.zarr", "--realizations", "10", "--prior", "prior.toml", "--n-atoms", "60", "--snr"]
MATCH = [*LOUD, "100,1000"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a train, a prior and a test set."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    PRIOR.save("prior.toml")
    sb.build_dictionary(SEQ, PRIOR, 12, "test.zarr", wrt=WRT, first=100)
    return tmp_path


def card(command, name="evaluation"):
    """The report card that a command writes."""
    assert main([*command, "--output", f"{name}.npz"]) == 0
    return sb.Evaluation.load(f"{name}.npz")


def same(one, other):
    one, other = one.as_arrays(), other.as_arrays()
    return all(np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f") for name in one)


def test_the_command_judges_as_the_library_does(here, capsys):
    found = card([*MATCH, "--seed", "3"], "card")
    atoms = sb.dictionary(SEQ, PRIOR, 60, seed=1)
    wanted = sb.evaluate(lambda data: sb.match(data, atoms), sb.open_dictionary("test.zarr"), [100, 1000], 10, seed=3)
    assert same(found, wanted)
    out = capsys.readouterr().out
    assert out.startswith(wanted.table())
    assert "wrote card.npz in" in out
    assert sorted(path.name for path in here.iterdir() if "card" in path.name) == ["card.npz"]


def test_fits_know_what_is_not_unknown(here, capsys):
    """Of noise so small that a fit from the truth is all but linear."""
    command = ["evaluate", "nlls", "train.npz", "--prior", "prior.toml", "--n", "12", "--wrt", "M0,m0s,T2f"]
    assert main([*command, "--snr", "30000", "--realizations", "40", "--start-at-truth", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    # 12 tissues, 40 realisations and 2 parameters: a standard error of 4.6 %
    assert report["scores"]["overall"]["loss"][0] == pytest.approx(1, abs=0.2)
    assert report["verdicts"]["m0s"][0]["n_not_finite"] == 0
    assert report["names"] == ["m0s", "T2f"]
    assert report["written"] == ["evaluation.npz"]


def test_fits_start_at_matches(here, capsys):
    assert card(["evaluate", "nlls", *MATCH[2:], "--names", "T2f"]).names == ("T2f",)


def test_estimates_between_atoms_are_nearer(here, capsys):
    nearest, between = (card(["evaluate", word, *MATCH[2:]], word) for word in ("match", "interpolate"))
    assert between.overall.loss[1] < nearest.overall.loss[1]


def test_a_dictionary_on_disk_gives_the_atoms(here, capsys):
    sb.build_dictionary(SEQ, PRIOR, 60, "atoms.zarr", derivatives=None, seed=1)
    assert same(card(MATCH, "a"), card([*MATCH, "--atoms", "atoms.zarr"], "b"))


def test_atoms_of_another_experiment_are_refused(here, capsys):
    """They have as many samples."""
    sb.build_dictionary(smooth_train(40, TR=4e-3), PRIOR, 60, "atoms.zarr", derivatives=None, seed=1)
    assert "atoms.zarr is of another sequence than" in error([*MATCH, "--atoms", "atoms.zarr"], capsys)
    for rows in ((0, 1, 2), (3, 4, 5)):
        basis = sb.Basis(np.eye(40)[:, list(rows)], seq=SEQ)
        sb.build_dictionary(SEQ, PRIOR, 12, f"from-{rows[0]}.zarr", basis=basis, wrt=WRT)
    command = ["evaluate", "match", "from-0.zarr", *COMMON, "--atoms", "from-3.zarr"]
    assert "from-3.zarr is of another basis than" in error(command, capsys)


def test_grids_of_a_prior_become_maps(here, capsys):
    sb.Prior(m0s=sb.Grid([0.1, 0.2]), T2f=sb.Grid([0.05, 0.08, 0.1])).save("plane.toml")
    command = ["evaluate", "match", "train.npz", "--prior", "plane.toml", "--wrt", "M0,m0s,T2f", *COMMON]
    assert card([*command, "--n-atoms", "6"]).bias["T2f"].shape == (2, 2, 3)


def test_a_run_that_was_stopped_goes_on(here, capsys, monkeypatch):
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 40)
    calls = []

    def stopping(data, *arguments, match=sb.match, **options):
        calls.append(len(data))
        if len(calls) == 4:
            raise OSError("no more")
        return match(data, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("spinbound.cli.shared.estimators.match", stopping)
        assert main(MATCH) == 1
    work = here / ".evaluation.npz.spinbound-evaluate"
    assert len(list(work.glob("voxels-*.npz"))) == 2  # the first call asked who the estimator is
    assert not (here / "evaluation.npz").exists()
    found = card(MATCH)
    assert not work.exists()
    assert same(found, card(MATCH, "whole"))


def test_parts_make_the_whole(here, capsys, monkeypatch):
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 40)
    for part in ("2/2", "1/2"):
        assert main([*MATCH, "--part", part]) == 0
        assert f"part {part} is done" in capsys.readouterr().out
    assert same(card(MATCH), card(MATCH, "whole"))


def test_processes_judge_the_same(here, capsys):
    pytest.importorskip("distributed")
    assert same(card([*MATCH, "--workers", "1"], "workers"), card(MATCH))


def test_report_cards_stand_beside_each_other(here, capsys):
    pytest.importorskip("matplotlib")
    assert main([*MATCH, "--output", "first.npz"]) == 0
    capsys.readouterr()
    command = ["evaluate", "interpolate", *MATCH[2:], "--beside", "first.npz", "--figure", "both.png"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "overall, SNR 1000" in out
    assert "\nfirst " in out
    assert (here / "both.png").read_bytes().startswith(b"\x89PNG")
    assert main([*LOUD, "100", "--figure", "one.png", "--output", "one.npz"]) == 0
    assert (here / "one.png").exists()


def test_report_cards_of_the_same_name_are_told_apart(here, capsys):
    """The one that was made last must not be taken for one that was there."""
    (here / "old").mkdir()
    for name, seed in (("match", "1"), ("old/match", "2")):
        card([*MATCH, "--seed", seed], name)
    capsys.readouterr()
    assert main([*MATCH, "--beside", "match.npz", "--beside", "old/match.npz"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(sb.Evaluation.load("evaluation.npz").table())
    for label in ("match", "match.npz", "old/match.npz"):
        assert out.count(f"\n{label} ") == 6  # of two parameters and all, at two levels
    apart = [*LOUD, "30", "--output", "third.npz", "--beside", "match.npz"]
    assert "--beside: match.npz has no SNR of --snr; it has: 100, 1000" in error(apart, capsys, 2)
    twice = [*MATCH, "--output", "third.npz", "--beside", "match.npz", "--beside", "match.npz"]
    assert "--beside has match.npz twice" in error(twice, capsys, 2)


class Network:
    """What a checkpoint holds, as far as the command knows it."""

    names = ("T2f",)

    def check(self, seq, basis):
        if seq.sha256 != SEQ.sha256:
            raise sb.InvalidData("trained for another sequence")

    def estimate(self, signals, *, novelty, threads):
        assert (novelty, threads) == (False, 1)
        return {"T2f": np.abs(signals[:, 3])}


def test_a_checkpoint_is_judged_by_what_it_estimates(here, capsys, monkeypatch):
    monkeypatch.setattr(
        "spinbound.cli.shared.estimators._load_network", lambda path: {"net.safetensors": Network()}[path.name]
    )
    assert card(["evaluate", "net.safetensors", "test.zarr", *COMMON, "--threads", "1"]).names == ("T2f",)
    smooth_train(41).save("other.npz")
    command = ["evaluate", "net.safetensors", "other.npz", "--n", "3", "--wrt", "M0,T2f", "--output", "other.out.npz"]
    assert "trained for another sequence" in error(command, capsys)


def test_errors_take_one_line(here, capsys):
    assert "'nlss' is no estimator; allowed: nlls, match, interpolate, or a" in error(
        ["evaluate", "nlss", *MATCH[2:]], capsys, 2
    )
    assert "test.zarr has its tissues and its sequence; leave --n" in error([*MATCH, "--n", "3"], capsys, 2)
    assert "--snr is 'loud', no number" in error([*LOUD, "loud"], capsys, 2)
    assert "--margin" in error([*MATCH, "--margin", "2"], capsys, 2)
    assert "the output is .npz" in error([*MATCH, "--output", "card.csv"], capsys, 2)
    assert "names has B1, whose bound the reference set does not have" in error([*MATCH, "--names", "B1"], capsys)
    assert "neither a file nor a bundled sequence" in error(["evaluate", "match", "nobody"], capsys, 2)
    assert main(MATCH) == 0
    capsys.readouterr()
    assert "evaluation.npz exists; --overwrite replaces it" in error(MATCH, capsys)
