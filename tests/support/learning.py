"""What the tests of learning share: a short train with a basis, small sets of its tissues, and short trainings."""

import spinbound as sb
import torch
from spinbound import nn

from tests.support.stores import BASIS, PRIOR, SEQ

torch.set_num_threads(1)  # more cost more than they save in networks of this size, and change bits

UNKNOWNS = ("M0", "m0s", "T1a", "T2f", "omega0")
NAMES = ("m0s", "T1a")
NOISE = nn.Noise(1e-4, (0.5, 1))  # little: so short a train tells little
ARCHITECTURE = nn.Architecture((32, 32, 32), skips=((1, 3),), n_inputs=12)


def store(path, n=96, **changes):
    """Tissues on disk, with their bounds."""
    return sb.build_dictionary(SEQ, PRIOR, n, path, **({"basis": BASIS, "wrt": UNKNOWNS} | changes))


def simulated(n=96, seq=SEQ, **changes):
    """The same tissues, drawn anew in every epoch."""
    return nn.SimulatedData(seq, PRIOR, n, **({"basis": BASIS, "wrt": UNKNOWNS} | changes))


def judge():
    """Other tissues, to judge by."""
    return simulated(64, first=10_000)


def estimator(**changes):
    """One that has learnt nothing."""
    return nn.Estimator(**({"names": NAMES, "basis": BASIS, "architecture": ARCHITECTURE} | changes))


def scaled_estimator(**changes):
    """One whose outputs have a scale, but nothing learnt."""
    net = estimator(**changes)
    net.scale_to(torch.tensor([[0.05, 0.8], [0.2, 2.0]]))
    return net


def trained(data=None, net=None, **changes):
    """An estimator after a few epochs, and its history."""
    net, data = net or estimator(), simulated() if data is None else data
    options = {"epochs": 3, "batch": 32, "learning_rate": 3e-3, "device": "cpu", "noise": NOISE} | changes
    return net, nn.train(net, data, **options)


def weights(net):
    """The bits of all that an estimator holds."""
    return {name: tensor.numpy().tobytes() for name, tensor in net.state_dict().items()}


def curve(history):
    """The bits of a history, but for the times."""
    return history.rows[:, :-1].tobytes()
