"""Can a network learn the parameters of tissue without being told a single one? From the residuals of its own signals.

The data are noisy signals of unknown tissues, compressed. A small network reads them; what it says is simulated, and
the loss is how far that lies from the data, in units of the noise: `nn.simulate` passes the gradient on. Prints how the
residual falls to that of noise alone, and errors of estimates of new data beside the Cramér-Rao bound and beside
the spread of the tissues, the error of an answer that ignores the data. Field maps are at their nominal values.
"""

import numpy as np
import spinbound as sb
import torch
from spinbound import nn

SIGMA = 0.02  # SNR 50
RANK, BATCH, STEPS = 6, 64, 250
RANGES = {"m0s": (0.02, 0.3), "T1a": (0.6, 2.5), "T2f": (0.03, 0.15)}  # of the tissues, in SI units
NAMES = tuple(RANGES)

torch.manual_seed(1)
rng = np.random.default_rng(1)
seq = sb.sequences.load("hybrid-mt-4s")


def draw(n):
    return sb.Tissue(**{name: rng.uniform(low, high, n) for name, (low, high) in RANGES.items()})


basis = sb.Basis.from_svd(sb.simulate(seq, draw(300)), rank=RANK, seq=seq)


def measure(tissue):
    """Noisy coefficients: all that the network is given of a tissue."""
    clean = torch.tensor(sb.simulate(seq, tissue, basis=basis), dtype=torch.complex64)
    return clean + SIGMA * np.sqrt(2) * torch.randn_like(clean)  # randn's variance of 1 is that of both parts together


class Network(torch.nn.Module):
    """From coefficients to parameters within their ranges, where signals can be simulated."""

    def __init__(self, data):
        super().__init__()
        self.std, self.mean = torch.std_mean(torch.view_as_real(data).flatten(1), dim=0)
        self.low, self.high = torch.tensor(list(RANGES.values())).T
        hidden = [torch.nn.Linear(2 * RANK, 64), torch.nn.SiLU(), torch.nn.Linear(64, 64), torch.nn.SiLU()]
        self.layers = torch.nn.Sequential(*hidden, torch.nn.Linear(64, len(NAMES)))

    def forward(self, data):
        inputs = (torch.view_as_real(data).flatten(1) - self.mean) / self.std
        return self.low + (self.high - self.low) * torch.sigmoid(self.layers(inputs))


def residual(theta, data):
    """Mean squared residual per real number, in units of the noise: 1 for the truth."""
    return (nn.simulate(seq, theta, NAMES, basis=basis) - data).abs().square().mean() / (2 * SIGMA**2)


data, truth = measure(draw(2048)), draw(500)
test, network = measure(truth), Network(data)
optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
for step in range(STEPS):
    batch = data[torch.randint(len(data), (BATCH,))]
    loss = residual(network(batch), batch)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    if step % 50 == 0:
        print(f"step {step:4d}: residual {loss.item():8.2f}")

with torch.no_grad():
    estimate = network(test)
    print(f"new data:  residual {residual(estimate, test).item():8.2f}, of noise alone 1")
bounds = sb.crb(seq, truth, NAMES, sigma=SIGMA, basis=basis)
print(f"\n{'':<5}{'error':>10}{'bound':>10}{'spread':>10}   root mean squares in SI units")
for name, column in zip(NAMES, estimate.double().numpy().T, strict=True):
    numbers = np.sqrt([np.mean((column - truth[name]) ** 2), bounds[name].mean(), truth[name].var()])
    print(f"{name:<5}" + "".join(f"{number:>10.4f}" for number in numbers))
