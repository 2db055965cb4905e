"""Dictionaries on disk: the numbers of the functions, the same bits however made, nothing lost and nothing hidden."""

import numpy as np
import pytest
import spinbound as sb
from spinbound.dictionaries.recipe import Recipe
from spinbound.work import cluster

from tests.support.stores import BASIS, CHUNK, COSINES, PRIOR, SEQ, WRT, N, built, files, values
from tests.support.trains import smooth_train

ALL_THREE = ("crb", "fisher", "sensitivities")


# What it holds


@pytest.mark.parametrize(
    ("form", "basis"),
    [("real", BASIS), ("complex", BASIS), ("real-M0", BASIS), ("real", None)],
    ids=["real", "complex", "real-M0", "time domain"],
)
def test_a_store_holds_to_the_bit_what_the_functions_give(tmp_path, form, basis):
    store = built(tmp_path / "a.zarr", form=form, sigma=0.5, basis=basis, derivatives=ALL_THREE)
    tissue = PRIOR.sample(N)
    assert store.tissue == tissue
    signals, jacobian = sb.sensitivities(SEQ, tissue, WRT, basis=basis)
    assert np.array_equal(store.signals, signals)
    assert np.array_equal(store.sensitivities, jacobian)
    assert np.array_equal(store.fisher, sb.fisher(SEQ, tissue, WRT, 0.5, form, basis=basis))
    bounds = sb.crb(SEQ, tissue, WRT, 0.5, form, basis=basis)
    assert list(store.crb) == list(WRT)
    assert all(np.array_equal(store.crb[name], bounds[name]) for name in WRT)
    assert store.basis == basis
    assert store.complete
    assert (store.valid.all(), len(store)) == (True, N)


def test_signals_alone_are_those_of_simulate(tmp_path):
    store = built(tmp_path / "a.zarr", derivatives=None)
    assert np.array_equal(store.signals, sb.simulate(SEQ, PRIOR.sample(N), basis=BASIS))
    assert store.arrays[-2:] == ("valid", "signals")
    with pytest.raises(sb.InvalidData, match="holds no crb; it has: .*signals"):
        _ = store.crb


def test_no_sensitivity_is_stored_unless_asked_for(tmp_path):
    assert "sensitivities" not in built(tmp_path / "a.zarr").arrays
    assert not any("sensitivities" in name for name in files(tmp_path / "a.zarr"))


def test_tissues_may_be_given(tmp_path):
    tissue = sb.Tissue(m0s=[[0.1], [0.2]], T1a=[1.0, 2.0, 3.0], M0=3j)
    store = built(tmp_path / "a.zarr", source=tissue, n=None, chunk=4)
    assert store.tissue["m0s"].tolist() == [0.1] * 3 + [0.2] * 3
    assert np.array_equal(store.signals, sb.sensitivities(SEQ, store.tissue, WRT, basis=BASIS)[0])


def test_first_and_seed_choose_the_tissues(tmp_path):
    store = built(tmp_path / "a.zarr", first=1000, seed=7)
    assert store.tissue == PRIOR.sample(N, seed=7, first=1000)


def test_a_store_stays_where_it_is_when_the_process_goes_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, again = built("a.zarr"), sb.open_dictionary("a.zarr")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert repr(store) == f"Dictionary('{tmp_path / 'a.zarr'}', {N} tissues of 6 samples)"
    assert again.complete
    assert np.array_equal(again.signals, store.signals)


def test_signals_have_M0_one_whatever_the_prior_says(tmp_path):
    prior = sb.Prior(m0s=sb.Uniform(0.1, 0.2), T1a=sb.Constant(1), M0=sb.Constant(3))
    store = built(tmp_path / "a.zarr", source=prior)
    assert np.array_equal(store.signals, sb.sensitivities(SEQ, store.tissue, WRT, basis=BASIS)[0])
    assert np.array_equal(store.crb["m0s"], sb.crb(SEQ, store.tissue, WRT, basis=BASIS)["m0s"])


def test_a_store_holds_what_it_was_made_from(tmp_path):
    shape = np.array([0.5, 1.5, 1.0]) * np.exp(0.1j)
    trains = [
        SEQ.replace(shape=shape, start=[0, 0, 0.5, 0, 0.1], TR=np.linspace(3.5e-3, 4e-3, 40)),
        smooth_train(30, echo=np.arange(30) % 2 == 0, start="thermal", shape=shape),
    ]
    store = built(tmp_path / "a.zarr", seq=trains, basis=None, n=3, model="graham", derivatives=None)
    assert store.sequence == trains
    assert store.configuration["model"] == "graham"
    assert built(tmp_path / "b.zarr").sequence == SEQ


@pytest.mark.parametrize("belongs", [True, False])
def test_a_store_holds_its_basis(tmp_path, belongs):
    signals = sb.simulate(SEQ, PRIOR.sample(100))
    basis = sb.Basis.from_svd(signals, rank=5, seq=SEQ if belongs else None)
    found = built(tmp_path / "a.zarr", basis=basis).basis
    assert found == basis
    assert found.singular_values.size == 40
    assert built(tmp_path / "b.zarr", basis=sb.Basis(COSINES, seq=SEQ)).basis.vectors.dtype == np.float64


def test_the_prior_of_a_store_can_be_read_back(tmp_path):
    (tmp_path / "prior.toml").write_text(built(tmp_path / "a.zarr").configuration["prior"])
    assert sb.Prior.load(tmp_path / "prior.toml") == PRIOR


def test_other_programs_find_units_and_names(tmp_path):
    zarr = pytest.importorskip("zarr")
    store = built(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group["tissue/T2s"].attrs["units"] == "s"
    assert group["crb"].attrs["parameters"] == list(WRT)
    assert group["crb"].attrs["units"] == ["(1)^2", "(1)^2", "(s)^2", "(s)^2", "(1/s)^2"]
    assert group["signals"].metadata.dimension_names == ("tissue", "vector")
    assert np.array_equal(group["signals"][:], store.signals)
    train = group["sequence/0"]
    units = {"alpha": "rad", "TRF": "s", "TR": "s", "rf_phase_increment": "rad"}
    assert {name: train[name].attrs["units"] for name in units} == units
    words = train["gradient_moment"].attrs["flag_meanings"].split()
    assert tuple(words[code] for code in train["gradient_moment"][:]) == SEQ.gradient_moment


def test_single_precision_is_rounded_double_precision(tmp_path):
    single, double = (built(tmp_path / name, dtype=name, derivatives=ALL_THREE) for name in ("complex64", "complex128"))
    for name, dtype in {"signals": np.complex64, "sensitivities": np.complex64, "fisher": np.float32}.items():
        assert np.array_equal(getattr(single, name), getattr(double, name).astype(dtype)), name
    assert np.array_equal(single.crb["m0s"], double.crb["m0s"].astype(np.float32))
    assert single.tissue == double.tissue


def test_blocks_are_the_chunks_in_their_order(tmp_path):
    store = built(tmp_path / "a.zarr", derivatives=ALL_THREE)
    blocks = list(store.blocks())
    assert [block.first for block in blocks] == list(range(0, N, CHUNK))
    for array in (lambda part: part.signals, lambda part: part.crb["m0s"], lambda part: part.sensitivities):
        assert np.array_equal(np.concatenate(list(map(array, blocks))), array(store))
    assert blocks[2].tissue == store.tissue[32:48]
    assert blocks[0].fisher.shape == (16, 6, 6)


def test_a_store_becomes_a_dictionary_in_memory(tmp_path):
    found = built(tmp_path / "a.zarr", derivatives=None).load()
    expected = sb.dictionary(SEQ, PRIOR, N, basis=BASIS)
    assert np.array_equal(found.signals, expected.signals)
    assert found.tissue == expected.tissue
    voxels = sb.simulate(SEQ, PRIOR.sample(5, seed=1), basis=BASIS)
    assert np.array_equal(sb.match(voxels, found).index, sb.match(voxels, expected).index)


# Tissues that cannot be simulated


def test_what_cannot_be_simulated_is_a_row_of_NaN(tmp_path):
    wrong = np.arange(N) // 20 == 1
    tissue = PRIOR.sample(N).replace(T2s=np.where(wrong, 1.0, 1e-5))
    store = built(tmp_path / "a.zarr", source=tissue, n=None, derivatives=ALL_THREE)
    assert np.array_equal(store.valid, ~wrong)
    for array in (store.signals, store.fisher, store.sensitivities, store.crb["m0s"]):
        assert np.array_equal(np.isnan(array.reshape(N, -1)).all(axis=1), wrong)
    assert len(store.load()) == 80
    other = built(tmp_path / "b.zarr", source=tissue, n=None, derivatives=ALL_THREE, chunk=10)  # two chunks of them
    assert values(other) == values(store)
    assert other.sensitivities.tobytes() == store.sensitivities.tobytes()


def test_tissues_that_cannot_be_simulated_are_refused_on_request(tmp_path):
    tissue = PRIOR.sample(N).replace(B1=np.where(np.arange(N) == 70, 2.9, 1))
    with pytest.raises(sb.InvalidParameter, match=r"strict refuses tissue 70: B1 is 2.9.*allowed: at most"):
        built(tmp_path / "a.zarr", source=tissue, n=None, strict=True)
    assert not (tmp_path / "a.zarr").exists()
    assert files(built(tmp_path / "b.zarr", strict=True).path) == files(built(tmp_path / "c.zarr").path)


def test_tissues_that_cannot_be_integrated_are_refused_on_request_too(tmp_path, monkeypatch):
    monkeypatch.setattr(Recipe, "compute_results", lambda *_: {})  # rows stay as they are where nothing was integrated
    with pytest.raises(sb.InvalidParameter, match=r"1 of 1 tissues of a chunk cannot be integrated to rtol"):
        built(tmp_path / "a.zarr", strict=True)
    assert not built(tmp_path / "b.zarr").valid.any()


def test_tissues_none_of_which_can_be_simulated_are_refused_before_any_work(tmp_path):
    tissue = PRIOR.sample(N).replace(B1=2.9)
    with pytest.raises(sb.InvalidParameter, match=r"B1 is 2.9.*allowed: at most"):
        built(tmp_path / "a.zarr", source=tissue, n=None)
    assert not (tmp_path / "a.zarr").exists()


# The same bits


def test_no_bit_depends_on_chunks_threads_or_parts(tmp_path):
    whole = built(tmp_path / "whole.zarr")
    assert values(built(tmp_path / "chunk.zarr", chunk=7)) == values(whole)
    assert values(built(tmp_path / "one.zarr", chunk=N)) == values(whole)
    assert files(built(tmp_path / "thread.zarr", threads=1).path) == files(whole.path)
    for part in (3, 1):
        assert not built(tmp_path / "parts.zarr", runner=cluster.part(part, 3)).complete
    assert built(tmp_path / "parts.zarr", runner=cluster.part(2, 3)).complete
    assert files(tmp_path / "parts.zarr") == files(whole.path)


def test_a_store_of_which_chunks_are_missing_says_so_until_they_are_made(tmp_path):
    path = built(tmp_path / "a.zarr", runner=cluster.part(1, 3)).path
    store = sb.open_dictionary(path)
    assert [store.is_done(chunk) for chunk in range(store.n_chunks)] == [True, False, False] * 2 + [True]
    assert store.verify().missing == (1, 2, 4, 5)
    assert not store.complete
    with pytest.raises(sb.InvalidData, match=r"a.zarr is not complete: chunk 1 of 7 is not done"):
        _ = store.signals
    (path / "signals" / "c" / ".0.123.tmp").write_bytes(b"half a chunk")
    assert files(built(path).path) == files(built(tmp_path / "whole.zarr").path)
