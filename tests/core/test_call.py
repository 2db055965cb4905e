"""What crosses the border to the core: one object a call, whose arrays are checked before anything looks at them."""

import ast
import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spinbound as sb
import spinbound._core as _core
from spinbound.signals.batch import Batch, as_unknowns
from spinbound.signals.forward import ForwardModel

from tests.support.paths import ROOT
from tests.support.trains import random_tissues, smooth_train

N, ECHOES, RANK, NAMES = 5, 20, 3, ("M0", "m0s", "R1f", "T2s")
SEQ, TISSUE = smooth_train(ECHOES), random_tissues(N, seed=1)
UNKNOWNS, NOISE = as_unknowns(NAMES), _core.Noise(np.full(N, 0.1))
P, COLUMNS = len(NAMES), len(NAMES) + 1
EMPTY = {
    "estimates": np.empty((P - 1, N)),
    "M0": np.empty(N, complex),
    "covariance": np.empty((N, COLUMNS, COLUMNS)),
    "sigma": np.empty(N),
    "residual": np.empty(N),
    "misfit": np.empty(N),
    "status": np.empty(N, np.int8),
    "iterations": np.empty(N, np.int32),
    "at_bound": np.empty(N, np.uint16),
}


def arguments(**changes):
    """Those of a call."""
    forward = ForwardModel.of(SEQ)
    batch = Batch.of(forward, TISSUE, threads=1, progress=None)
    return {
        "experiment": forward.trains.as_core(),
        "tissue": batch.tissue,
        "M0": batch.M0,
        "valid": batch.valid,
        "model": forward.model.codes,
        "threads": 1,
    } | changes


def fit(call=None, noise=None, results=EMPTY, **changes):
    """Fit everything, M0 by itself."""
    call = _core.Call(**arguments()) if call is None else call
    problem = {"data": np.ones((N, ECHOES), complex), "M0": 2, "stopping": (0.0, 0.0, 0.0, 2)}
    problem |= {"low": [0.0] * 3, "high": [1.0] * 3, "prior_mean": None, "prior_std": [np.inf] * 3} | changes
    _core.fit(call, noise, as_unknowns(NAMES[1:]), _core.FitProblem(**problem), _core.FitResults(**results))


def signals(call):
    out = np.empty((N, ECHOES), complex)
    _core.simulate(call, out)
    return out


def test_no_function_of_the_core_takes_more_than_six_positional_arguments():
    counts = {
        (stub.name, function.name, function.lineno): len(function.args.posonlyargs + function.args.args)
        for stub in (ROOT / "python/spinbound/_core").glob("*.pyi")
        for function in ast.walk(ast.parse(stub.read_text()))
        if isinstance(function, ast.FunctionDef)
    }
    assert counts
    assert max(counts.values()) <= 6


def test_a_call_keeps_its_arrays_and_its_experiment_alive():
    def made():
        own = {name: np.array(arguments()[name]) for name in ("tissue", "M0", "valid")}
        core = ForwardModel.of(SEQ.replace(TR=SEQ.TR)).trains.as_core()
        return _core.Call(**arguments(experiment=core, **own))

    call = made()
    gc.collect()
    spoiled = [np.full((8, N), np.nan) for _ in range(100)]
    assert np.array_equal(signals(call), sb.simulate(SEQ, TISSUE))
    assert len(spoiled) == 100


def test_a_call_serves_many_times_and_several_threads_at_once():
    call = _core.Call(**arguments())
    assert call.n_voxels == N
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: signals(call), range(16)))
    assert all(np.array_equal(one, found[0]) for one in found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tissue", np.ones((7, N))),
        ("tissue", np.ones(8 * N)),
        ("M0", np.ones((N, 1), complex)),
        ("valid", np.ones(N + 1, bool)),
        ("basis", np.ones((ECHOES + 1, 2), complex)),
        ("basis", np.ones((ECHOES, 0), complex)),
        ("basis", np.ones(ECHOES, complex)),
    ],
)
def test_call_refuses_arrays_of_other_shapes(name, value):
    with pytest.raises(ValueError, match=f"{name} has a wrong shape"):
        _core.Call(**arguments(**{name: value}))


def test_call_has_an_experiment_and_no_positional_arguments():
    with pytest.raises(TypeError, match="incompatible constructor arguments"):
        _core.Call(**arguments(experiment=None))
    with pytest.raises(TypeError, match="incompatible constructor arguments"):
        _core.Call(*arguments().values())


REFUSED = {
    "signals": (lambda call, z: _core.simulate(call, z(N, ECHOES + 1)), "out"),
    "magnetization": (lambda call, z: _core.magnetization(call, z(N, ECHOES, 4)), "out"),
    "samples": (lambda call, z: _core.sensitivities(call, UNKNOWNS, z(N, 1), z(N, ECHOES, P)), "s"),
    "derivatives": (lambda call, z: _core.sensitivities(call, UNKNOWNS, z(N, ECHOES), z(N, ECHOES)), "J"),
    "matrices": (lambda call, z: _core.fisher(call, NOISE, UNKNOWNS, z(N, P, P).real.copy()), "F"),
    "bounds": (lambda call, z: _core.crb(call, NOISE, UNKNOWNS, z(N, P).real.copy()), "bounds"),
    "noise": (lambda call, z: _core.crb(call, _core.Noise(np.ones(2)), UNKNOWNS, z(P, N).real.copy()), "sigma"),
    "data": (lambda call, z: fit(call, data=z(N, 1)), "data"),
    "noise of data": (lambda call, _: fit(call, _core.Noise(np.ones(2))), "sigma"),
    "prior": (lambda call, _: fit(call, prior_mean=np.ones((3, N + 1))), "prior_mean"),
}


@pytest.mark.parametrize(("use", "name"), REFUSED.values(), ids=REFUSED)
def test_results_and_data_of_other_shapes_are_refused(use, name):
    with pytest.raises(ValueError, match=f"{name} has a wrong shape"):
        use(_core.Call(**arguments()), lambda *shape: np.zeros(shape, complex))


@pytest.mark.parametrize("name", EMPTY)
def test_fit_refuses_results_of_other_shapes(name):
    fit()
    with pytest.raises(ValueError, match=f"{name} has a wrong shape"):
        fit(results=EMPTY | {name: EMPTY[name][..., :2].copy()})


@pytest.mark.parametrize("name", ["low", "high", "prior_std"])
def test_fit_refuses_lists_of_another_length(name):
    with pytest.raises(ValueError, match="one entry for each unknown"):
        fit(**{name: [1.0]})


def test_unknown_codes_are_refused():
    for code in (-1, 14):
        with pytest.raises(ValueError, match="unknown parameter"):
            _core.Unknowns([0, code])
    assert _core.Unknowns([0, 13]).size == 2


def test_fisher_matrices_are_complex_in_the_complex_form_only():
    call, real, in_numbers = _core.Call(**arguments()), np.empty((N, P, P)), np.empty((N, P, P), complex)
    for form, F in (("complex", real), ("real-M0", in_numbers)):
        with pytest.raises(ValueError, match="F has a wrong type"):
            _core.fisher(call, NOISE, as_unknowns(NAMES, form), F)


def test_results_are_written_in_place_or_not_at_all():
    call, out = _core.Call(**arguments()), np.zeros((N, ECHOES), complex)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        _core.simulate(call, out)
    for other in (out.astype(np.complex64), np.zeros((ECHOES, N), complex).T):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            _core.simulate(call, other)


def test_one_run_gives_what_is_wanted_in_a_basis_only():
    wanted = {"sensitivities": np.empty((N, RANK, P), complex), "fisher": np.empty((N, COLUMNS, COLUMNS))}
    basis = np.linalg.qr(np.vander(np.arange(ECHOES), RANK) + 0j)[0]
    out, call = np.empty((N, RANK), complex), _core.Call(**arguments(basis=basis))
    _core.in_one_run(call, NOISE, UNKNOWNS, out, **wanted)
    F = np.empty((N, COLUMNS, COLUMNS))
    _core.fisher(call, NOISE, UNKNOWNS, F)
    assert np.array_equal(wanted["fisher"], F)
    for name, array in wanted.items():
        with pytest.raises(ValueError, match="has a wrong shape"):
            _core.in_one_run(call, NOISE, UNKNOWNS, out, **{name: array[1:]})
    with pytest.raises(ValueError, match="basis is missing"):
        _core.in_one_run(_core.Call(**arguments()), NOISE, UNKNOWNS, out)
