"""The losses: what an efficient estimator scores, how bounds scale, what is masked, and the gradients."""

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn.loss import LOSSES

from tests.support import learning

DOUBLE = torch.float64


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=DOUBLE) + 0.5


def efficient(n, realizations=None):
    """Estimates with the variance of the bound, their truth and the bound."""
    truth, crb = drawn(n, 3), drawn(n, 3, seed=1) ** 8
    shape = (n, 3) if realizations is None else (realizations, n, 3)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    return truth + crb.sqrt() * noise, truth, crb


# What an estimator scores


def test_an_efficient_estimator_scores_one():
    n = 20_000
    loss = nn.CRBLoss()(*efficient(n))
    # the mean of 3 n squares of normal numbers, four standard deviations
    assert float(loss) == pytest.approx(1, abs=4 * np.sqrt(2 / (3 * n)))


def test_bias_adds_its_square_in_units_of_the_bound():
    truth, crb = drawn(50, 3), drawn(50, 3, seed=1)
    loss = nn.CRBLoss()(truth + 2 * crb.sqrt(), truth, crb)
    assert float(loss) == pytest.approx(4, rel=1e-12)  # roundings


def test_the_bound_of_a_realisation_scales_with_sigma_and_M0():
    estimate, truth, crb = efficient(100)
    M0, sigma, loss = drawn(100, seed=2), drawn(100, seed=3), nn.CRBLoss()
    scaled = crb * ((sigma / M0) ** 2)[:, None]
    wanted = float(loss(estimate, truth, scaled))
    for phase in (1, torch.exp(1j * drawn(100, seed=4))):
        assert float(loss(estimate, truth, crb, M0 * phase, sigma)) == pytest.approx(wanted, rel=1e-12)


def test_twice_the_noise_quarters_the_loss_and_twice_the_signal_makes_it_fourfold():
    (estimate, truth, crb), loss = efficient(100), nn.CRBLoss()
    one = float(loss(estimate, truth, crb))
    assert float(loss(estimate, truth, crb, sigma=2)) == pytest.approx(one / 4, rel=1e-12)
    assert float(loss(estimate, truth, crb, M0=2)) == pytest.approx(4 * one, rel=1e-12)


def test_units_do_not_matter():
    (estimate, truth, crb), loss = efficient(100), nn.CRBLoss()
    ms = torch.tensor([1, 1000, 1000], dtype=DOUBLE)
    changed = loss(estimate * ms, truth * ms, crb * ms**2)
    assert float(changed) == pytest.approx(float(loss(estimate, truth, crb)), rel=1e-12)


def test_bounds_of_the_library_fit_the_loss():
    seq, tissue = learning.SEQ, learning.PRIOR.sample(20).replace(M0=0.3)
    crb = sb.crb(seq, tissue, ("M0", "m0s", "T1a"), sigma=0.02, basis=learning.BASIS)
    unit = sb.crb(seq, tissue.replace(M0=1), ("M0", "m0s", "T1a"), basis=learning.BASIS)
    pair = [torch.from_numpy(np.stack([bound["m0s"], bound["T1a"]], axis=-1)) for bound in (crb, unit)]
    truth = torch.zeros_like(pair[0])
    loss = nn.CRBLoss()(pair[0].sqrt(), truth, pair[1], M0=0.3, sigma=0.02)
    assert float(loss) == pytest.approx(1, rel=1e-6)  # roundings, amplified by the condition of the bounds


def test_the_other_losses_are_what_their_names_say():
    estimate, truth, crb = efficient(100)
    assert float(nn.MSELoss()(estimate, truth, crb)) == pytest.approx(float(((estimate - truth) ** 2).mean()))
    assert float(nn.RelativeLoss()(estimate, truth)) == pytest.approx(float(((estimate - truth).abs() / truth).mean()))


def test_the_bias_constrained_loss_has_a_bias_and_a_variance_part():
    estimate, truth, crb = efficient(40, realizations=16)
    variance, mean = torch.var_mean(estimate, dim=0, correction=0)
    bias_part = float(((mean - truth) ** 2 / crb).mean())
    excess = float((variance / crb - 0.9).clamp(min=0).mean())
    loss = nn.BiasConstrainedLoss(16, weight=3, allowed=0.9)
    assert excess > 0.01
    assert float(loss(estimate, truth, crb)) == pytest.approx(bias_part + 3 * excess, rel=1e-12)


def test_shrinking_earns_nothing_in_the_bias_constrained_loss():
    estimate, truth, crb = efficient(200, realizations=512)
    mean = truth.mean(dim=0)
    crb_loss, constrained = nn.CRBLoss(), nn.BiasConstrainedLoss(512)
    wide = crb * 25  # where the prior is worth more than the data
    noisy = truth + 5 * (estimate - truth)
    shrunk = mean + 0.9 * (noisy - mean)
    assert float(crb_loss(shrunk, truth, wide)) < float(crb_loss(noisy, truth, wide))
    bias = ((shrunk - truth).mean(dim=0) ** 2 / wide).mean()
    # variances are 0.81 +- 0.05 of the bound: hardly any exceeds it
    assert float(constrained(shrunk, truth, wide)) == pytest.approx(float(bias), rel=1e-3)
    assert float(crb_loss(shrunk, truth, wide)) > 0.8  # of which nearly all is variance


# What is masked


@pytest.mark.parametrize("bad", [torch.inf, torch.nan, 0.0, -1.0])
@pytest.mark.parametrize("name", ["crb", "bias-constrained"])
def test_entries_without_a_usable_bound_are_left_out_and_counted(bad, name):
    estimate, truth, crb = efficient(10, realizations=4)
    loss = LOSSES[name]()
    estimate, crb = estimate.requires_grad_(), crb.clone()
    wanted = loss(estimate.detach()[:, :7], truth[:7], crb[:7])
    crb[7:] = bad
    found = loss(estimate, truth, crb)
    found.backward()
    assert float(found.detach()) == pytest.approx(float(wanted), rel=1e-12)
    assert int(loss.masked) == 9 * (4 if name == "crb" else 1)
    assert torch.isfinite(estimate.grad).all()
    assert not estimate.grad[:, 7:].any()


def test_a_loss_of_nothing_is_zero_with_zero_gradient():
    estimate = torch.ones(2, 3, requires_grad=True)
    loss = nn.CRBLoss()
    value = loss(estimate, torch.zeros(2, 3), torch.full((2, 3), torch.inf))
    value.backward()
    assert (float(value.detach()), int(loss.masked), float(estimate.grad.abs().sum())) == (0, 6, 0)


def test_relative_errors_of_zero_are_left_out():
    estimate = torch.tensor([[0.1, 3.0]], requires_grad=True)
    loss = nn.RelativeLoss()
    value = loss(estimate, torch.tensor([[0.0, 2.0]]))
    value.backward()
    assert (float(value.detach()), int(loss.masked)) == (0.5, 1)
    assert estimate.grad.tolist() == [[0.0, 0.5]]


def test_an_estimate_that_is_not_finite_shows():
    truth, crb = drawn(4, 3), drawn(4, 3)
    estimate = truth.clone()
    estimate[0, 0] = torch.nan
    assert torch.isnan(nn.CRBLoss()(estimate, truth, crb))


# Gradients, precision, compilation


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_exact(name):
    estimate, truth, crb = efficient(4, realizations=3)
    loss, M0 = LOSSES[name](), drawn(4, seed=5)
    function = lambda values: loss(values, truth, crb, M0, 0.7)
    assert torch.autograd.gradcheck(function, estimate.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_gives_the_same_loss(name):
    estimate, truth, crb = efficient(200, realizations=3)
    loss, M0 = LOSSES[name](), drawn(200, seed=5)
    double = float(loss(estimate, truth, crb, M0, 0.7))
    single = loss(estimate.float(), truth.float(), crb.float(), M0.float(), 0.7)
    assert single.dtype == torch.float32
    # truth and estimate are rounded to 6e-8 of themselves, some bounds are 1e-3 of the truth's square
    assert float(single) == pytest.approx(double, rel=1e-4)


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # of the compiler itself
def test_a_compiled_loss_is_the_same_and_counts_what_it_masks():
    estimate, truth, crb = efficient(50)
    crb[3, 1] = torch.inf
    loss = nn.CRBLoss()
    compiled = torch.compile(loss, fullgraph=True)
    estimate.requires_grad_()
    plain = loss(estimate, truth, crb, drawn(50), 0.7)
    (wanted,) = torch.autograd.grad(plain, estimate)
    value = compiled(estimate, truth, crb, drawn(50), 0.7)
    (gradient,) = torch.autograd.grad(value, estimate)
    assert float(value.detach()) == pytest.approx(float(plain.detach()), rel=1e-12)
    assert torch.allclose(gradient, wanted, rtol=1e-12, atol=0)
    assert int(loss.masked) == 1


# What is refused


@pytest.mark.parametrize(
    ("loss", "shapes", "message"),
    [
        (nn.CRBLoss(), [(5, 3), (5, 2), (5, 2)], r"estimate has shape \(5, 3\), the truth \(5, 2\)"),
        (nn.MSELoss(), [(5, 1), (5, 3), (5, 3)], r"estimate has shape \(5, 1\), the truth \(5, 3\)"),
        (nn.CRBLoss(), [(5, 3), (5, 3), (3,)], r"crb has shape \(3,\), the truth \(5, 3\)"),
        (nn.CRBLoss(), [(5, 3), (5, 3), None], "crb has shape None"),
        (nn.BiasConstrainedLoss(), [(5, 3), (5, 3), (5, 3)], "at least two realisations"),
        (nn.BiasConstrainedLoss(), [(1, 5, 3), (5, 3), (5, 3)], "at least two realisations"),
    ],
)
def test_shapes_that_torch_would_broadcast_are_refused(loss, shapes, message):
    arguments = [None if shape is None else torch.ones(shape) for shape in shapes]
    with pytest.raises(sb.InvalidData, match=message):
        loss(*arguments)


@pytest.mark.parametrize("name", ["M0", "sigma"])
@pytest.mark.parametrize("loss", [nn.CRBLoss(), nn.BiasConstrainedLoss()])
def test_scales_and_noise_that_do_not_belong_to_the_samples_are_refused(loss, name):
    estimate, truth = torch.ones(2, 3, 3) if loss.realizations > 1 else torch.ones(3, 3), torch.ones(3, 3)
    for bad in (torch.ones(3, 1, 1), torch.ones(4)):
        with pytest.raises(sb.InvalidData, match=f"{name} has shape .* does not broadcast to the samples"):
            loss(estimate, truth, truth, **{name: bad})
    with pytest.raises(sb.InvalidParameter, match=f"{name} must be a number or a tensor; given ndarray"):
        loss(estimate, truth, truth, **{name: np.ones(3)})  # which torch would take for one per parameter
    assert torch.isfinite(loss(estimate, truth, truth, **{name: torch.ones(1)}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"realizations": 1}, "realizations must be an integer of at least 2; given 1"),
        ({"weight": 0}, "weight is 0; allowed: weight > 0"),
        ({"allowed": -1}, "allowed is -1; allowed: allowed >= 0"),
    ],
)
def test_a_bias_constrained_loss_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        nn.BiasConstrainedLoss(**arguments)
