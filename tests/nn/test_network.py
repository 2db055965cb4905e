"""Networks as data, and estimators: what goes in, what comes out, what they refuse, and their files."""

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn.network import FastGroupNorm, count_groups
from spinbound.sequences.identity import identify

from tests.support.learning import ARCHITECTURE, BASIS, SEQ, estimator, scaled_estimator
from tests.support.trains import smooth_train

OTHER = smooth_train(40, TR=4e-3)
COEFFICIENTS = estimator(seq=SEQ)
TIME_DOMAIN = nn.Estimator("m0s", basis=None, seq=SEQ, architecture=nn.Architecture((32,), n_inputs=80))


def coefficients(n=7):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(n, 6)) + 1j * rng.normal(size=(n, 6)))


# Architectures


def test_the_network_of_the_paper_has_its_widths_and_skips():
    paper = nn.Architecture.paper(13)
    assert paper.widths == (128, 256, 512, 1024, 768, 640, 512, 384, 256, 192, 128, 26, 10, 6)
    assert (paper.skips, paper.n_inputs) == (((3, 7), (2, 9), (1, 11), (0, 12)), 26)
    pairs = [(26, 128), *zip(paper.widths, (*paper.widths[1:], 3), strict=True)]
    norms = 2 * sum(paper.widths)
    assert paper.n_parameters(3) == sum((a + 1) * b for a, b in pairs) + norms


def test_a_network_computes_what_its_architecture_says():
    torch.manual_seed(0)
    network = nn.Network(nn.Architecture((8, 6, 8, 6), skips=((1, 3), (0, 4)), n_inputs=6), 2).double()
    x = torch.randn(5, 6, dtype=torch.float64)

    def normal(a):  # one group: fewer than 16 channels
        return (a - a.mean(dim=1, keepdim=True)) / torch.sqrt(a.var(dim=1, keepdim=True, correction=0) + 1e-5)

    first = network.layers[0](x)
    second = network.layers[1](normal(first).relu())
    third = network.layers[2](normal(second).relu()) + first
    fourth = network.layers[3](normal(third).relu()) + x
    assert torch.allclose(network(x), network.output(normal(fourth).relu()), rtol=1e-12)


@pytest.mark.parametrize(("width", "groups"), [(6, 1), (26, 1), (32, 2), (48, 3), (640, 40), (94, 2), (31, 1)])
def test_groups_have_at_least_sixteen_channels(width, groups):
    assert count_groups(width) == groups


def test_normalisation_is_that_of_groups():
    norm = FastGroupNorm(4, 64)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(10, 64)
    wanted = torch.nn.functional.group_norm(x, 4, norm.weight, norm.bias)
    assert torch.allclose(norm(x), wanted, atol=1e-5)  # roundings of single precision, of numbers of some units


# What an estimator computes


@pytest.mark.parametrize("phase", ["standard", "random"])
def test_the_scale_of_the_data_does_not_matter(phase):
    net, data = scaled_estimator(phase=phase).double(), coefficients()
    for scale in (1e-30, 1e30):
        assert torch.allclose(net(scale * data), net(data), rtol=1e-9)  # roundings through a few layers


def test_the_scale_does_not_matter_in_single_precision():
    net, data = scaled_estimator(), coefficients().to(torch.complex64)
    for scale in (1e-30, 1e30):
        assert torch.allclose(net(scale * data), net(data), rtol=1e-4)


def test_the_phase_does_not_matter_where_it_is_taken_out():
    data = coefficients()
    turned = np.exp(2.5j) * data
    standard, random = (scaled_estimator(phase=phase).double() for phase in ("standard", "random"))
    assert torch.allclose(standard(turned), standard(data), rtol=1e-9)
    assert not torch.allclose(random(turned), random(data), rtol=1e-3)


def test_inputs_have_unit_norm_and_a_real_positive_first_coefficient():
    net, data = estimator().double(), coefficients()
    inputs = net.inputs(data.real, data.imag)
    assert torch.allclose(torch.linalg.vector_norm(inputs, dim=-1), torch.ones(7, dtype=torch.float64))
    parts = inputs[:, :6] + 1j * inputs[:, 6:]
    assert (parts[:, 0].real > 0).all()
    assert parts[:, 0].imag.abs().max() < 1e-15
    ratio = parts / data
    assert torch.allclose(ratio, ratio[:, :1].expand(-1, 6))  # one factor for all coefficients


def test_zeros_give_numbers():
    assert torch.isfinite(scaled_estimator()(torch.zeros(2, 6, dtype=torch.complex64))).all()


def test_outputs_have_the_mean_and_the_spread_of_the_tissues():
    net = scaled_estimator()
    assert net.centre.tolist() == pytest.approx([0.125, 1.4])
    assert net.width.tolist() == pytest.approx([0.075, 0.6])
    torch.nn.init.zeros_(net.network.output.weight)
    torch.nn.init.ones_(net.network.output.bias)
    assert net(coefficients(2))[0].tolist() == pytest.approx([0.2, 2.0])


def test_an_estimator_that_was_never_trained_gives_nothing():
    assert torch.isnan(estimator()(coefficients())).all()


def test_voxels_do_not_know_of_each_other():
    net, data = scaled_estimator().double(), coefficients(8)
    assert torch.allclose(net(data.reshape(2, 4, 6)).reshape(8, 2), net(data), rtol=1e-12)
    assert torch.allclose(net(data[3]), net(data)[3], rtol=1e-12)


def test_the_seed_decides_the_first_weights():
    torch.manual_seed(5)
    one, same, other = (estimator(seed=seed).network.layers[0].weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))  # and nobody else's numbers


def test_signals_in_the_time_domain_need_no_basis():
    known = (TIME_DOMAIN.rank, TIME_DOMAIN.names, TIME_DOMAIN.trained_for["sequence_identity"])
    assert known == (40, ("m0s",), identify(SEQ))


# What it is good for


def test_what_it_was_trained_for_is_accepted():
    assert COEFFICIENTS.check(SEQ, BASIS, ("m0s", "T1a"), ("1", "s")) is None


def test_a_description_is_plain():
    prior = sb.Prior(m0s=sb.Uniform(0, 0.2))
    described = estimator(prior=prior, seq=SEQ).description
    assert described["names"] == ["m0s", "T1a"]
    assert described["units"] == ["1", "s"]
    assert described["sequence_identity"] == identify(SEQ)
    assert described["prior"] == prior.toml
    assert described["architecture"] == ARCHITECTURE.describe()


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Architecture(()), "widths is empty"),
        (lambda: nn.Architecture((8, 0)), "a width must be an integer of at least 1; given 0"),
        (lambda: nn.Architecture((8, 8), ((2, 1),)), "a skip goes from layer 2 to 1; allowed: forwards, 0 to 2"),
        (lambda: nn.Architecture((8, 8), ((1, 3),)), "a skip goes from layer 1 to 3; allowed: forwards, 0 to 2"),
        (lambda: nn.Architecture((8, 8), ((1,),)), r"a skip is \(1,\); allowed: a pair \(from, to\) of layers"),
        (lambda: nn.Architecture((8, 8), (1, 2)), "a skip is 1; allowed: a pair"),
        (lambda: nn.Architecture((8, 9), ((1, 2),)), "joins 8 and 9 channels"),
        (lambda: nn.Architecture((8, 9), ((0, 2),), n_inputs=8), "from layer 0 to 2 joins 8 and 9 channels"),
        (lambda: estimator(names=("m0s", "T3")), "T3"),
        (lambda: estimator(names=("M0", "m0s")), "names has M0"),
        (lambda: estimator(names=("R2f", "T2f")), "R2f and T2f together"),
        (lambda: estimator(phase="randon"), "did you mean 'random'"),
        (lambda: estimator(model="gblock"), "did you mean 'gbloch'"),
        (lambda: estimator(basis=None), "neither basis nor seq"),
        (lambda: estimator(basis=np.eye(3)), "basis must be a spinbound.Basis"),
        (lambda: estimator(architecture=nn.Architecture.paper(13)), "the architecture has 26 inputs; allowed: 12"),
        (lambda: estimator(seq=OTHER), "another sequence"),
    ],
)
def test_what_makes_no_estimator_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        (COEFFICIENTS, {"seq": OTHER}, r"another sequence than that of the estimator's training"),
        (COEFFICIENTS, {"basis": sb.Basis(np.eye(40)[:, :6])}, "coefficients of another basis"),
        (COEFFICIENTS, {"basis": BASIS.truncate(5)}, "the basis has 5 vectors, the estimator was trained with 6"),
        (COEFFICIENTS, {"names": ("T1a", "m0s")}, "has the names m0s, T1a in this order; wanted: T1a, m0s"),
        (COEFFICIENTS, {"units": ("1", "ms")}, "has the units 1, s in this order; wanted: 1, ms"),
        (TIME_DOMAIN, {"basis": sb.Basis(np.eye(40))}, "has 40 vectors, the estimator was trained with no basis"),
    ],
)
def test_other_data_are_refused_by_what_differs(net, arguments, message):
    with pytest.raises(sb.InvalidData, match=message):
        net.check(**arguments)


def test_constant_parameters_cannot_be_learnt():
    with pytest.raises(sb.InvalidData, match="T1a is the same in all tissues"):
        estimator().scale_to(torch.tensor([[0.1, 1.0], [0.2, 1.0]]))
