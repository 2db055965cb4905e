"""Files of sequences: every format comes back as it went, and mistakes in them are named."""

import os
import sys
from math import pi

import h5py
import numpy as np
import pytest
import spinbound as sb
from hypothesis import HealthCheck, given, settings
from scipy import io

from tests.support.refusals import assert_refused
from tests.support.sequence_files import ALPHA, MOMENTS, REST, SEQ, TRF, hdf5, npz
from tests.support.strategies import sequences


def mat(folder, version="5", **content):
    io.savemat(folder / "seq.mat", content, format=version)
    return folder / "seq.mat"


@pytest.mark.parametrize("suffix", [".npz", ".toml", ".mat"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=sequences())
def test_a_sequence_comes_back_as_it_was_saved(tmp_path, suffix, seq):
    path = tmp_path / f"name with blank and é{suffix}"
    seq.save(path)
    assert sb.Sequence.load(path) == seq
    assert os.listdir(tmp_path) == [path.name]


def test_a_sequence_is_loaded_by_a_string_too(tmp_path):
    SEQ.save(str(tmp_path / "a.NPZ"))
    assert sb.Sequence.load(str(tmp_path / "a.NPZ")) == SEQ


@pytest.mark.parametrize("name", ["a.txt", "a"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    for act in (SEQ.save, sb.Sequence.load):
        with pytest.raises(sb.InvalidSequence, match=r"allowed: \.npz, \.mat, \.toml"):
            act(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npz", ".toml", ".mat"])
def test_a_file_that_is_not_there_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match="absent"):
        sb.Sequence.load(tmp_path / f"absent{suffix}")


def test_what_the_file_lacks_must_be_given(tmp_path):
    path = npz(tmp_path, alpha=ALPHA, TRF=TRF)
    assert_refused(path, r"seq\.npz: the file has no TR; give it", gradient_moment=MOMENTS)
    assert_refused(path, "the file has no gradient_moment", TR=3.5e-3)
    assert sb.Sequence.load(path, **REST) == SEQ


def test_what_contradicts_the_file_is_refused(tmp_path):
    SEQ.save(tmp_path / "a.npz")
    assert sb.Sequence.load(tmp_path / "a.npz", **REST) == SEQ
    assert_refused(tmp_path / "a.npz", "another TR", TR=4e-3)
    assert_refused(tmp_path / "a.npz", "another gradient_moment", gradient_moment="balanced")


@pytest.mark.parametrize("write", [npz, hdf5, mat])
def test_a_missing_variable_is_answered_with_those_there_are(tmp_path, write):
    path = write(tmp_path, flip=ALPHA, TRF=TRF)
    assert_refused(path, r"no variable alpha; it has: (TRF, flip|flip, TRF)", **REST)


def test_what_makes_no_sense_is_reported_with_the_file(tmp_path):
    path = npz(tmp_path, alpha=[np.nan], TRF=[1e-4])
    assert_refused(path, r"seq\.npz: alpha must be finite; pulse 0", TR=1e-3, gradient_moment="balanced")


def test_a_pulse_of_minutes_is_refused(tmp_path):
    path = npz(tmp_path, alpha=ALPHA, TRF=[1e-3, 100, 101])
    assert_refused(path, r"TRF must be at most 100 s; pulse 2 is 101 s", TR=200, gradient_moment="balanced")


# MATLAB


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
@pytest.mark.parametrize("write", [hdf5, mat])
def test_row_and_column_vectors_are_the_same(tmp_path, write, shape):
    path = write(tmp_path, alpha=ALPHA.reshape(shape), TRF=TRF.reshape(shape), TR=np.array([[3.5e-3]]))
    assert sb.Sequence.load(path, gradient_moment=MOMENTS) == SEQ


def test_a_matlab_4_file_is_read(tmp_path):
    assert sb.Sequence.load(mat(tmp_path, "4", alpha=ALPHA, TRF=TRF), **REST) == SEQ


def test_small_integers_are_converted(tmp_path):
    path = mat(tmp_path, alpha=np.array([3, 1, 2], np.int8), TRF=TRF)
    assert sb.Sequence.load(path, **REST).alpha.tolist() == [3, 1, 2]


def test_a_struct_that_holds_the_train_is_opened(tmp_path):
    path = mat(tmp_path, other=1, sequence={"alpha": ALPHA, "TRF": TRF, "TR": 3.5e-3})
    assert sb.Sequence.load(path, gradient_moment=MOMENTS) == SEQ


def test_a_group_that_holds_the_train_is_opened(tmp_path):
    path = hdf5(tmp_path, **{"sequence/alpha": ALPHA, "sequence/TRF": TRF})
    assert sb.Sequence.load(path, **REST) == SEQ


def test_two_structs_that_hold_a_train_are_ambiguous(tmp_path):
    content = {"alpha": ALPHA, "TRF": TRF}
    assert_refused(mat(tmp_path, a=content, b=content), r"alpha is there more than once: a\.alpha, b\.alpha", **REST)


def test_words_of_a_matlab_73_file_are_read(tmp_path):
    path = hdf5(tmp_path, alpha=ALPHA, TRF=TRF, TR=3.5e-3)
    with h5py.File(path, "a") as file:
        word = file.create_dataset("gradient_moment", data=np.array([[ord(c)] for c in "balanced"], np.uint16))
        word.attrs["MATLAB_class"] = np.bytes_("char")
    assert sb.Sequence.load(path).gradient_moment == ("balanced",) * 3


def test_an_empty_matlab_73_array_is_empty(tmp_path):
    path = hdf5(tmp_path, alpha=np.array([0, 0], np.uint64), TRF=TRF)
    with h5py.File(path, "a") as file:
        file["alpha"].attrs["MATLAB_empty"] = np.uint8(1)
    assert_refused(path, "alpha has 0 pulses", **REST)


def test_groups_that_contain_themselves_come_to_an_end(tmp_path):
    path = hdf5(tmp_path, TRF=TRF)
    with h5py.File(path, "a") as file:
        file["loop/again"] = file["/"]
        file["loop/soft"] = h5py.SoftLink("/")
    assert_refused(path, "no variable alpha", **REST)


def test_matlab_73_without_h5py_names_the_extra(tmp_path, monkeypatch):
    path = hdf5(tmp_path, alpha=ALPHA, TRF=TRF)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"this needs h5py, which is missing: pip install 'spinbound\[io\]'"):
        sb.Sequence.load(path, **REST)


def test_the_published_train_loads(published_train):
    seq = published_train
    assert seq.n_pulses == 1142
    assert seq.alpha[0] == pytest.approx(pi, rel=1e-12)
    assert seq.peak_B1 <= 2000 * pi * (1 + 1e-12)


# TOML

TEXT = """
alpha_deg = [180, 10, 20.0]
TRF_us = [500, 300, 200]
TR_ms = 3.5
gradient_moment = ["crusher", "balanced", "balanced"]
"""


def toml(folder, text):
    (folder / "seq.toml").write_text(text, encoding="utf-8")
    return folder / "seq.toml"


def test_toml_states_its_units_in_the_names(tmp_path):
    seq = sb.Sequence.load(toml(tmp_path, TEXT))
    assert seq.alpha == pytest.approx([pi, pi / 18, pi / 9], rel=1e-15)
    assert seq.TRF == pytest.approx(TRF, rel=1e-15)
    assert seq.TR == 3.5e-3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("TR_ms", "TR", r"unknown field 'TR' \(did you mean 'TR.*'\?\)"),
        ("TRF_us", "TRF_su", r"did you mean 'TRF_"),
        ("TR_ms = 3.5", "TR_ms = '3.5'", "TR_ms must be real numbers"),
        ("TR_ms = 3.5", "TR_ms = nan", "TR must be finite"),
        ("TR_ms = 3.5", "TR_ms = 3.5\nTR_s = 0.0035", "TR is given twice"),
        ("TR_ms = 3.5", "TR_ms = 3.5ms", "not valid TOML"),
        ("TR_ms = 3.5", "TR_ms = " + "[" * 100_000, "not valid TOML"),
        ("TR_ms = 3.5", "TR_ms = " + "1" * 10_000, "not valid TOML"),
        ("[500, 300, 200]", "[500, 300]", "alpha has 3 pulses but TRF has 2"),
        ("TRF_us = [500, 300, 200]", "", "no variable TRF; it has: alpha_deg, TR_ms"),
    ],
)
def test_a_toml_file_with_a_mistake_is_refused(tmp_path, old, new, message):
    assert_refused(toml(tmp_path, TEXT.replace(old, new)), rf"seq\.toml: .*{message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("alpha_deg", "alpha_rad", "the largest flip angle is 180 rad; is the file in degrees"),
        ("TR_ms", "TR_s", "TR is 3.5 s; is the file in milliseconds"),
        ("TRF_us = [500, 300, 200]\nTR_ms", "TRF_s = [0.5, 0.3, 0.2]\nTR_s", "the longest pulse is 0.5 s"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_numbers_that_look_like_another_unit_are_kept_with_a_warning(tmp_path, old, new, message):
    with pytest.warns(UserWarning, match=message):
        sb.Sequence.load(toml(tmp_path, TEXT.replace(old, new)))
