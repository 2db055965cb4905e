"""Coercion and checking of arguments: what is accepted, and what the messages say."""

from functools import partial

import numpy as np
import pytest
from spinbound import InvalidData, InvalidParameter, InvalidSequence
from spinbound.base import checks
from spinbound.base.parameters import ALL, PARAMETERS, TISSUE

as_word = partial(checks.as_one_of, "x", allowed=("balanced", "b"))
as_names = checks.as_parameter_names
no_numbers = [True, "0.1", 1j, None, [None, 1], np.datetime64("2020-01-01"), np.array([1.0, {}]), {"a": 1}, b"1"]
no_counts = [-1, 1.0, True, "1", None, np.float64(2), np.bool_(True)]
other_types = [int, "float16", np.complex64, ">f8", object, "nonsense"]

REFUSED = [
    (partial(checks.as_real, "x"), "x must be real numbers; given", no_numbers),
    (partial(checks.as_real, "x"), "x must be a number or an array of numbers", [[[1, 2], [3]]]),
    (partial(checks.as_complex, "x"), "x must be numbers", ["1j"]),
    (partial(checks.as_number, "x"), "x must be one number", [[1, 2]]),
    (partial(checks.as_number, "x"), "x must be finite", [np.nan, np.inf]),
    (partial(checks.as_count, "x", low=0), "x must be an integer of at least 0", no_counts),
    (checks.as_threads, "threads must be an integer of at least 0", [-1, 1.5, True, "2"]),
    (checks.check_progress, "progress must be", [1, "yes", 0.5]),
    (partial(checks.as_result_dtype, double=np.float64), "allowed: float64, float32", other_types),
    (as_word, r"x is 'balnced' \(did you mean 'balanced'\?\); allowed: balanced, b", ["balnced"]),
    (as_word, "x is .*; allowed: balanced", [None, 3, ["balanced"]]),
    (as_names, "wrt must be a parameter's name or several; given", [None, 3, np.array("m0s")]),
    (as_names, "wrt is empty", [()]),
    (as_names, "wrt names m0s twice", [("m0s", "m0s")]),
    (as_names, "T2f determines R2f", [("R2f", "T2f")]),
    (as_names, "R1a determines R1f", [("R1a", "R1f")]),
    (as_names, "determines R1s", [("R1a", "T1s")]),
    (as_names, "determines R1f and R1s", [("T1a", "R1a")]),
    (as_names, "T1f determines R1f", [("T1f", "R1f")]),
    (as_names, "did you mean 'm0s'", [("m0S",)]),
    (as_names, "a name in wrt is 1", [(1,)]),
]


@pytest.mark.parametrize(
    ("check", "message", "value"), [(check, message, value) for check, message, values in REFUSED for value in values]
)
def test_what_is_not_allowed_is_refused_in_words(check, message, value):
    with pytest.raises(InvalidParameter, match=message):
        check(value)


@pytest.mark.parametrize("error", [InvalidData, InvalidParameter, InvalidSequence])
def test_every_error_is_a_value_error(error):
    assert issubclass(error, ValueError)


@pytest.mark.parametrize(
    "value",
    [
        3,
        3.0,
        np.int8(3),
        np.float32(3),
        np.array(3, dtype=">f8"),
        np.array(3, dtype=np.uint16),
        np.array(3, dtype=np.float16),
    ],
)
def test_every_real_number_becomes_double_precision(value):
    array = checks.as_real("x", value)
    assert array.dtype == np.float64
    assert array.dtype.isnative
    assert array == 3


def test_complex_numbers_are_accepted_only_where_they_make_sense():
    assert checks.as_complex("x", 1j) == 1j


def test_masked_entries_become_nan():
    array = checks.as_real("x", np.ma.array([1, 2, 3], mask=[False, True, False]))
    assert type(array) is np.ndarray
    assert np.array_equal(array, [1, np.nan, 3], equal_nan=True)


def test_arrays_with_gaps_are_copied_without_them():
    array = checks.as_real("x", np.arange(12.0).reshape(3, 4).T[::2])
    assert array.flags.c_contiguous
    assert array.tolist() == [[0, 4, 8], [2, 6, 10]]


def test_copies_are_independent_and_read_only():
    source = np.ones(3)
    array = checks.as_real("x", source)
    source[0] = 2
    assert array[0] == 1
    assert not array.flags.writeable


def test_numpy_integers_are_counts():
    assert checks.as_count("x", np.int16(7), 1) == 7


def test_the_nine_base_parameters_come_first():
    assert ALL == ("M0", "m0s", "R1f", "R2f", "Rex", "R1s", "T2s", "omega0", "B1")
    assert ALL[1:] == TISSUE
    assert [parameter.code for parameter in PARAMETERS.values()] == list(range(14))


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("m0s", [0, 0.5], [-1e-9, 1, np.nan, np.inf]),
        ("R1f", [1e-9, 1e6], [0, -1, 1.000001e6, np.nan, np.inf]),
        ("Rex", [0, 1e6], [-1, 1.000001e6, np.nan, np.inf]),
        ("T2s", [2e-6, 50e-6], [1.9e-6, 51e-6, np.nan, -np.inf]),
        ("omega0", [-1e5, 0, 1e5], [-1.000001e5, 1.000001e5, np.nan, np.inf, -np.inf]),
        ("B1", [1e-3, 2], [0, -1, np.nan, np.inf]),
        ("T2f", [1e-6, 1e-3], [0, 0.999999e-6, -1, np.inf]),
    ],
)
def test_ranges_include_the_limits_they_should(name, inside, outside):
    assert PARAMETERS[name].contains(np.array(inside)).all()
    assert not PARAMETERS[name].contains(np.array(outside)).any()


def test_ranges_in_words_carry_their_unit():
    assert PARAMETERS["T2s"].allowed == "2e-06 <= T2s <= 5e-05 s"
    assert PARAMETERS["m0s"].allowed == "0 <= m0s < 1"
    assert PARAMETERS["R1f"].allowed == "0 < R1f <= 1e+06 1/s"
    assert PARAMETERS["omega0"].allowed == "-100000 <= omega0 <= 100000 rad/s"
    assert PARAMETERS["T2f"].allowed == "T2f >= 1e-06 s"
    assert PARAMETERS["B1"].allowed == "B1 > 0"
    assert PARAMETERS["M0"].allowed == "M0 finite"


def test_one_name_is_a_list_of_one():
    assert checks.as_parameter_names("m0s") == ("m0s",)
    assert checks.as_parameter_names(iter(["m0s", "T2f"])) == ("m0s", "T2f")


def test_names_in_an_array_become_plain_words():
    names = checks.as_parameter_names(np.array(["m0s", "T2f"]))
    assert [type(name) for name in names] == [str, str]


def test_all_cores_are_the_default_and_every_count_fits_the_core():
    assert checks.as_threads(None) == 0
    assert checks.as_threads(3) == 3
    assert checks.as_threads(10**20) == 2**31 - 1


def test_results_are_double_or_single_precision():
    assert checks.as_result_dtype(None, np.complex128) == np.complex128
    assert checks.as_result_dtype("complex64", np.complex128) == np.complex64
    assert checks.as_result_dtype(np.float32, np.float64) == np.float32


def read_only(array):
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    "out",
    [
        [0.0, 0.0],
        np.empty(3),
        np.empty(2, np.float32),
        np.empty(2, ">f8"),
        np.empty(4)[::2],
        read_only(np.empty(2)),
        np.ma.empty(2),
    ],
    ids=["list", "shape", "type", "byte order", "gaps", "read-only", "masked"],
)
def test_an_array_that_cannot_hold_the_results_is_refused(out):
    with pytest.raises(InvalidParameter, match=r"out must be a writeable C-contiguous numpy array of shape \(2,\)"):
        checks.as_result(out, (2,), np.dtype(np.float64))
