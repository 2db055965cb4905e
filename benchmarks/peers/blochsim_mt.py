"""blochsim (PyPI): a compiled extended phase graph with a semi-solid pool that pulses saturate."""

from dataclasses import replace

import numpy as np

from .peer import Peer

# Its names of the parameters.
PROPERTIES = {
    "m0s": "bound_fraction",
    "R1f": "T1",
    "R2f": "T2",
    "Rex": "bound_exchange",
    "R1s": "bound_T1",
    "omega0": "B0",
    "B1": "B1",
}
COLUMNS = tuple(PROPERTIES)


def values(tissues):
    """Property values (N,), in ms and Hz."""
    m0s, R1f, R2f, Rex, R1s, _, omega0, B1 = tissues.T
    given = (m0s, 1e3 / R1f, 1e3 / R2f, Rex, 1e3 / R1s, -omega0 / (2 * np.pi), B1)
    return dict(zip(PROPERTIES.values(), given, strict=True))


def slopes(tissues):
    """(N, 1, 7) derivatives of its properties by spinbound's parameters."""
    _, R1f, R2f, _, R1s, *_ = tissues.T
    one = np.ones_like(R1f)
    columns = (one, -1e3 / R1f**2, -1e3 / R2f**2, one, -1e3 / R1s**2, -one / (2 * np.pi), one)
    return np.stack(columns, axis=-1)[:, None]


def simulator(seq):
    """The train: hard pulses in the middle of the real ones, of their power, each echo half a repetition later."""
    from blochsim import Delay, Excitation, Inversion, Readout, Simulator
    from blochsim.sequence import RfDefinition, RfShape

    durations, which = np.unique(seq.TRF, return_inverse=True)

    def rectangle(index):
        ends = RfShape(2, np.array([0, 1e6 * durations[index]], np.float32))
        return RfDefinition(index, 0.0, 1, (0.0,), 0.0, 0.0, RfShape(2, np.ones(2, np.float32)), time=ends)

    class Train(Simulator):
        states = 1  # balanced gradients

        def layout(self, *, amplitude):
            half = seq.TR / 2
            parts = [Delay(half), Inversion(duration_s=half), Readout()]
            for i in range(1, seq.n_pulses):
                phase = i * seq.rf_phase_increment
                pulse = Excitation(amplitude[i], phase, definition_id=int(which[i]))
                parts += [Delay(half), pulse, Delay(half), Readout(phase)]
            return parts

    pulses = {index: rectangle(index) for index in range(len(durations))}
    amplitude = seq.omega1 / (2 * np.pi)  # Hz; an array, so that the train is laid out once and not in each call
    return Train(model=replace(Simulator.model, definitions=pulses), amplitude=amplitude)


def prepare(seq, tissues):
    """See `Peer`."""
    import torch

    torch.set_num_threads(1)
    train = simulator(seq)
    properties = {name: torch.as_tensor(v, dtype=torch.float32) for name, v in values(tissues).items()}
    chain = slopes(tissues)

    def call():
        s, J = train.jacobian(tuple(PROPERTIES.values()), **properties)
        return 1j * s.numpy(), 1j * J.numpy().transpose(0, 2, 1) * chain  # its pulses turn about the other axis

    return call


PEER = Peer(
    name="blochsim",
    does="two-pool extended phase graph, Jacobian in forward mode",
    differs="single precision; starts at equilibrium, plays the train once; pulses are instantaneous and saturate the "
    "semi-solid pool by the power of the real ones and a fixed super-Lorentzian (T2s = 12 µs), the inversion not at "
    "all; no derivative by T2s; errors are those at white matter",
    made_fast="the train laid out once, 256 voxels a call, one configuration state. Nine tenths of its time go to its "
    "compiled kernel, which plays the train twice for every parameter",
    prepare=prepare,
    packages=("blochsim",),
    voxels=256,
    columns=COLUMNS,
    tolerance=None,
    nearest=lambda seq, tissues: (seq.replace(start="thermal"), tissues),
)
