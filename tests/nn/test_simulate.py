"""The simulator as an operator of torch: its bits, its gradients, and what torch does with operators."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn.operator import simulations as _simulations
from spinbound.nn.operator.simulate import _make_key
from torch.autograd.forward_ad import dual_level, make_dual

from tests.support.learning import SEQ
from tests.support.trains import smooth_train

NAMES = ("m0s", "T1a", "T2f", "omega0")
THETA = torch.tensor([[0.15, 1.1, 0.08, 30.0], [0.1, 0.9, 0.1, -50.0], [0.2, 1.8, 0.05, 0.0]], dtype=torch.float64)
UNIT = torch.tensor([0.1, 1.0, 0.1, 100.0], dtype=torch.float64)  # of numbers near 1, for differences
KNOWN = {"B1": 0.9, "T2s": torch.tensor([9e-6, 10e-6, 12e-6], dtype=torch.float64)}


def tissue(theta=THETA, names=NAMES, **known):
    return sb.Tissue.from_dict(dict(zip(names, theta.numpy().T, strict=True)) | known)


def asking(theta=THETA):
    return theta.clone().requires_grad_()


def energy(signals):
    return (signals.real**2 + signals.imag**2).sum()


def gradient(theta, loss=energy, **options):
    theta = asking(theta)
    loss(nn.simulate(SEQ, theta, NAMES, **options)).backward()
    return theta.grad


# What it computes


@pytest.mark.parametrize("model", ["gbloch", "graham", "hybrid"])
def test_signals_have_the_bits_of_the_calls_without_torch(model):
    voxels = tissue(B1=0.9, T2s=KNOWN["T2s"].numpy())
    plain = nn.simulate(SEQ, THETA, NAMES, known=KNOWN, model=model)
    assert np.array_equal(plain.numpy(), sb.simulate(SEQ, voxels, model=model))
    signals = nn.simulate(SEQ, asking(), NAMES, known=KNOWN, model=model)
    assert np.array_equal(signals.detach().numpy(), sb.sensitivities(SEQ, voxels, NAMES, model=model)[0])


def test_the_gradient_is_that_of_the_sensitivities():
    weights = torch.randn(3, 40, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    _, J = sb.sensitivities(SEQ, tissue(), NAMES)
    # L = Re sum(conj(w) s) has g = w; two orders of a sum of 40 terms
    expected = (J.conj() * weights.numpy()[..., None]).sum(axis=1).real
    assert gradient(THETA, lambda s: (weights.conj() * s).real.sum()).numpy() == pytest.approx(expected, rel=1e-12)


def test_all_parameters_of_the_tissue_unless_names_are_given():
    values = torch.tensor([0.1, 0.6, 14.0, 25.0, 2.0, 11e-6, 20.0, 0.95], dtype=torch.float64)
    names = sb.ALL[1:]
    assert np.array_equal(nn.simulate(SEQ, values).numpy(), sb.simulate(SEQ, tissue(values, names)))


def test_a_basis_and_a_joint_experiment():
    short = smooth_train(12)
    joint = [SEQ, short]
    basis = sb.Basis.from_svd(sb.simulate(joint, sb.Tissue(m0s=np.linspace(0, 0.3, 9))), rank=3, seq=joint)
    signals = nn.simulate(joint, THETA, NAMES, basis=basis)
    assert np.array_equal(signals.numpy(), sb.simulate(joint, tissue(), basis=basis))


def test_voxels_keep_their_axes_and_known_maps_broadcast():
    theta = THETA[:, None].expand(3, 2, 4)
    signals = nn.simulate(SEQ, theta, NAMES, known={"B1": np.array([0.9, 1.0])})
    assert signals.shape == (3, 2, 40)
    assert torch.equal(signals[:, 1], nn.simulate(SEQ, THETA, NAMES))
    assert nn.simulate(SEQ, THETA[0], NAMES, known={"B1": torch.ones(5, 2)}).shape == (5, 2, 40)
    assert nn.simulate(SEQ, THETA[:0], NAMES).shape == (0, 40)


def test_a_voxel_that_all_known_values_share_gathers_their_gradients():
    shared, maps = asking(THETA[0]), {"B1": torch.tensor([0.9, 1.1])}
    energy(nn.simulate(SEQ, shared, NAMES, known=maps)).backward()
    each = gradient(THETA[:1].expand(2, 4), known=maps)
    assert shared.grad.numpy() == pytest.approx(each.sum(dim=0).numpy(), rel=1e-12)  # one sum of two


def test_the_scale_multiplies_the_signal_and_has_a_gradient():
    M0 = torch.tensor([0.5 + 0.5j, 1.0, -2.0j], dtype=torch.complex128, requires_grad=True)
    plain = nn.simulate(SEQ, THETA, NAMES)
    scaled = nn.simulate(SEQ, THETA, NAMES, M0=M0)
    assert torch.equal(scaled, M0[:, None] * plain)
    energy(scaled).backward()
    # d|M0|^2/dRe + i d|M0|^2/dIm = 2 M0
    assert M0.grad.detach().numpy() == pytest.approx(
        (2 * M0 * (plain.abs() ** 2).sum(dim=1)).detach().numpy(), rel=1e-12
    )
    assert torch.equal(nn.simulate(SEQ, THETA, NAMES, M0=2.0), 2 * plain)


def test_single_precision_is_the_rounded_double_one():
    theta = THETA.float()
    signals, double = (nn.simulate(SEQ, t, NAMES) for t in (theta, theta.double()))
    assert signals.dtype == torch.complex64
    assert torch.equal(signals, double.to(torch.complex64))
    grad = gradient(theta)
    assert grad.dtype == torch.float32
    # sums of 40 terms that may cancel, each within 1e-7
    assert torch.allclose(grad.double() * UNIT, gradient(theta.double()) * UNIT, rtol=1e-4, atol=1e-6)


def test_sensitivities_are_computed_only_for_a_gradient(monkeypatch):
    def never(*_):
        raise AssertionError("sensitivities")

    monkeypatch.setattr(_simulations.Simulation, "compute_sensitivities", never)
    nn.simulate(SEQ, THETA, NAMES)
    with torch.no_grad():
        nn.simulate(SEQ, asking(), NAMES)
    with pytest.raises(AssertionError, match="sensitivities"):
        nn.simulate(SEQ, asking(), NAMES)


def test_views_with_a_pending_sign_or_conjugate_are_resolved():
    negated = torch.complex(torch.zeros_like(THETA), -THETA).conj().imag
    assert negated.is_neg()
    assert torch.equal(nn.simulate(SEQ, negated, NAMES), nn.simulate(SEQ, THETA, NAMES))
    conjugate = gradient(THETA, lambda s: energy(s.conj().clone()))
    assert conjugate.numpy() == pytest.approx(gradient(THETA).numpy(), rel=1e-12)


# Bad voxels


def test_a_bad_voxel_is_nan_and_leaves_the_others_their_bits():
    bad = THETA.clone()
    bad[1, 0] = -0.1
    signals = nn.simulate(SEQ, bad, NAMES)
    assert signals[1].isnan().all()
    assert torch.equal(signals[::2], nn.simulate(SEQ, THETA, NAMES)[::2])
    grads = gradient(bad, lambda s: energy(s[::2]))
    assert grads[1].isnan().all()
    assert torch.equal(grads[::2], gradient(THETA, lambda s: energy(s[::2]))[::2])


def test_bad_voxels_alone_raise_nothing():
    assert nn.simulate(SEQ, torch.full((2, 4), torch.nan), NAMES).isnan().all()
    assert nn.simulate(SEQ, 0 * THETA[0], NAMES).isnan().all()  # T1a = 0
    assert nn.simulate(SEQ, torch.full((3, 1), 90.0), ("B1",)).isnan().all()  # a guess, not a map in percent


# Derivatives


@pytest.mark.parametrize(
    "basis", [None, sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(40, 3)))[0], seq=SEQ)]
)
def test_gradients_are_those_of_differences(basis):
    scaled = lambda x: nn.simulate(SEQ, x * UNIT, NAMES, known=KNOWN, basis=basis)
    assert torch.autograd.gradcheck(scaled, asking(THETA / UNIT))


def test_a_gradient_that_nobody_foresaw_is_the_same():
    theta = asking()
    torch.ops.spinbound.simulate(theta, THETA.new_empty(3, 0), key(), 0).real.sum().backward()
    assert torch.equal(theta.grad, gradient(THETA, lambda s: s.real.sum()))


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch, of its own tangents
def test_second_derivatives_and_forward_mode_are_refused():
    theta = asking()
    (first,) = torch.autograd.grad(energy(nn.simulate(SEQ, theta, NAMES)), theta, create_graph=True)
    with pytest.raises(NotImplementedError, match="the simulator knows first ones alone"):
        first.sum().backward()
    with dual_level(), pytest.raises(NotImplementedError, match="no forward-mode derivatives"):
        nn.simulate(SEQ, make_dual(THETA, THETA), NAMES)


def test_transforms_that_torch_denies_its_custom_operators_raise():
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(lambda theta: energy(nn.simulate(SEQ, theta, NAMES)))(THETA)


# What torch does with operators


def key(seq=SEQ):
    return _make_key(NAMES, (), (), None, "gbloch", seq)


@pytest.mark.parametrize("operator", ["simulate", "sensitivities"])
@pytest.mark.parametrize("theta", [THETA, asking(), THETA.float(), THETA[0]], ids=["plain", "grad", "single", "one"])
def test_operators_keep_their_contract_with_torch(operator, theta):
    known = torch.empty((*theta.shape[:-1], 0), dtype=torch.float64)
    outcomes = torch.library.opcheck(getattr(torch.ops.spinbound, operator), (theta, known, key(), 1))
    assert set(outcomes.values()) == {"SUCCESS"}


def test_the_way_back_keeps_its_contract_with_torch():
    signals, jacobian = torch.ops.spinbound.sensitivities(THETA, THETA.new_empty(3, 0), key(), 1)
    tests = ("test_schema", "test_faketensor", "test_autograd_registration")  # it is not differentiated again
    operator = torch.ops.spinbound.simulate_backward
    outcomes = torch.library.opcheck(operator, (signals, jacobian, THETA), test_utils=tests)
    assert outcomes == dict.fromkeys(tests, "SUCCESS")


class Model(torch.nn.Module):
    """A module that holds a sequence, as users write them."""

    def __init__(self, seq):
        super().__init__()
        self.seq = seq

    def forward(self, theta, B1, T2s):
        return nn.simulate(self.seq, theta, NAMES, known={"B1": B1, "T2s": T2s}, M0=2.0)


@pytest.mark.parametrize("seq", [SEQ, [SEQ, smooth_train(12)]], ids=["train", "joint"])
def test_a_model_compiles_to_one_graph(seq):
    model = Model(seq)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for n_voxels in (1, 2, 3):  # so that shapes become symbolic
        theta, plain = asking(THETA[:n_voxels]), asking(THETA[:n_voxels])
        arguments = (0.9, KNOWN["T2s"][:n_voxels])
        signals, expected = compiled(theta, *arguments), model(plain, *arguments)
        assert torch.equal(signals, expected)
        energy(signals).backward()
        energy(expected).backward()
        assert torch.equal(theta.grad, plain.grad)


def test_a_compiled_function_does_not_mistake_one_sequence_for_another():
    compiled = torch.compile(
        lambda seq, B1: nn.simulate(seq, THETA, NAMES, known={"B1": B1}), fullgraph=True, backend="eager"
    )
    for seq in (SEQ, smooth_train(40, start="thermal"), smooth_train(30)):
        for B1 in (0.9, 0.8):
            assert torch.equal(compiled(seq, B1), nn.simulate(seq, THETA, NAMES, known={"B1": B1}))


@pytest.mark.filterwarnings("default")  # the default backend warns of complex numbers that it leaves as they are
def test_the_default_backend_compiles_it_too():
    loss = lambda theta: energy(nn.simulate(SEQ, theta, NAMES))
    theta = asking()
    torch.compile(loss, fullgraph=True)(theta).backward()
    # the loss may be summed in another order
    assert theta.grad.numpy() == pytest.approx(gradient(THETA).numpy(), rel=1e-9)


def test_vmap_folds_the_batch_into_one_call(monkeypatch):
    calls = []
    sensitivities = _simulations.Simulation.compute_sensitivities
    monkeypatch.setattr(
        _simulations.Simulation, "compute_sensitivities", lambda *all: calls.append(all[1].shape) or sensitivities(*all)
    )
    theta = asking(THETA.T.expand(2, 4, 3))
    B1 = torch.tensor([0.9, 1.1], dtype=torch.float64)
    one = lambda theta, B1: nn.simulate(SEQ, theta, NAMES, known={"B1": B1})
    signals = torch.func.vmap(torch.func.vmap(one, (1, None)))(theta, B1)
    assert calls == [(6, 4)]
    flat = asking(THETA.expand(2, 3, 4))
    expected = nn.simulate(SEQ, flat, NAMES, known={"B1": B1[:, None]})
    assert torch.equal(signals, expected)
    energy(signals).backward()
    energy(expected).backward()
    assert torch.equal(theta.grad, flat.grad.mT)


def test_jacobians_of_all_samples_at_once():
    jacobian = torch.autograd.functional.jacobian(
        lambda theta: torch.view_as_real(nn.simulate(SEQ, theta, NAMES)), THETA[0], vectorize=True
    )
    _, J = sb.sensitivities(SEQ, tissue()[0], NAMES)
    # a product with columns of the unit matrix
    assert np.array_equal(jacobian[:, 0].numpy(), J.real)
    assert np.array_equal(jacobian[:, 1].numpy(), J.imag)


# Sequences behind their keys


def test_equal_experiments_share_a_key_and_others_do_not():
    assert key(smooth_train(40)) == key(SEQ)
    assert key(smooth_train(41)) != key(SEQ)


def test_what_was_not_used_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(_simulations, "REMEMBERED", 2)
    first, second = key(smooth_train(5)), key(smooth_train(6))
    _simulations.recall(first)
    key(smooth_train(7))
    assert _simulations.recall(first).n_samples == 5
    with pytest.raises(sb.InvalidParameter, match=f"no simulation of the key {second[:12]}... is known: a graph from"):
        torch.ops.spinbound.simulate(THETA, THETA.new_empty(3, 0), second, 0)


def test_many_threads_may_simulate_different_sequences(monkeypatch):
    monkeypatch.setattr(_simulations, "REMEMBERED", 8)
    trains = [smooth_train(n) for n in (5, 6, 7, 8)] * 8
    with ThreadPoolExecutor(4) as pool:
        grads = list(
            pool.map(lambda seq: torch.autograd.grad(energy(nn.simulate(seq, t := asking(), NAMES)), t)[0], trains)
        )
    assert all(torch.equal(grad, grads[k % 4]) for k, grad in enumerate(grads))


# What is refused


@pytest.mark.parametrize(
    ("theta", "options", "message"),
    [
        (THETA.numpy(), {}, "theta must be a torch.Tensor; given ndarray"),
        (THETA.half(), {}, "theta is torch.float16; allowed: torch.float64, torch.float32"),
        (THETA.bfloat16(), {}, "theta is torch.bfloat16"),
        (THETA + 0j, {}, "theta is torch.complex128"),
        (THETA[:, :3], {}, r"theta has shape \(3, 3\); the last axis must be 4, a column for each of: m0s, T1a, T2f"),
        (THETA[0, 0], {}, r"theta has shape \(\)"),
        (THETA, {"names": ("m0s", "T1a", "T2f", "T2ss")}, r"a name in names is 'T2ss' \(did you mean 'T2s'\?\)"),
        (THETA, {"names": (*NAMES[:3], "M0")}, "names has M0, to which the signal is proportional; give it as"),
        (THETA, {"names": (*NAMES[:3], "R2f")}, "names has T2f and R2f together"),
        (THETA, {"known": {"R2f": 10.0}}, "names and known together has T2f and R2f together"),
        (THETA, {"known": {"M0": 2.0}}, "known has M0"),
        (THETA, {"known": {"B1": -1.0}}, "B1 is -1; allowed: B1 > 0"),
        (THETA, {"known": {"B1": [90.0, 110.0, 95.0]}}, "it looks like percent"),
        (THETA, {"known": {"B1": torch.ones(2)}}, r"known does not broadcast to the voxels \(3,\) of theta: B1 \(2,\)"),
        (THETA, {"known": {"B1": torch.ones(3) + 0j}}, r"known\['B1'\] must be real numbers; given torch.complex64"),
        (THETA, {"known": {"B1": "high"}}, r"known\['B1'\] must be real numbers; given 'high'"),
        (THETA, {"known": {"B1": torch.ones(3, requires_grad=True)}}, r"known\['B1'\] asks for a gradient"),
        (THETA, {"known": ["B1"]}, "known must be a mapping of names to values; given list"),
        (THETA, {"basis": np.eye(40)}, "basis must be a spinbound.Basis; given ndarray"),
        (THETA, {"model": "grahm"}, "model is 'grahm'"),
        (THETA, {"threads": -1}, "threads must be an integer of at least 0"),
    ],
)
def test_arguments_that_are_not_accepted_are_named(theta, options, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        nn.simulate(SEQ, theta, **({"names": NAMES} | options))


def test_what_is_no_sequence_is_refused():
    with pytest.raises(sb.InvalidSequence, match=r"must be a spinbound.Sequence, or a list of them; given Tensor"):
        nn.simulate(THETA, THETA, NAMES)
