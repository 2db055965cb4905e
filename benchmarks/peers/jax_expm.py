"""JAX: exponentials of 6x6 matrices by vmap, the train by lax.scan, derivatives by jacfwd, all of it by jit."""

import os
from functools import partial

import numpy as np

from .model import PATTERNS, WITHOUT_XS, Train, coefficients, generators
from .peer import Peer

# Its threads were seen to hang; one is what is compared.
ENVIRONMENT = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
}
BOUND = 0.78  # of |x|_1, below which Taylor's series to x^16 leaves less than half a unit of roundoff
FACTORIALS = np.cumprod([1.0, *range(1, 17)])


def library_exponential(a, squarings):
    """jax.scipy.linalg.expm of each matrix, which needs two squarings less than `series`."""
    import jax

    return jax.vmap(partial(jax.scipy.linalg.expm, max_squarings=max(0, squarings - 2)))(a)


def series(a, squarings):
    """Taylor's series in blocks of four powers; the number of squarings is known before compilation."""
    import jax.numpy as jnp

    x = a * 2.0**-squarings
    x2 = x @ x
    powers, x4 = (x, x2, x2 @ x), x2 @ x2

    def block(first):
        return jnp.eye(6) / FACTORIALS[first] + sum(p / FACTORIALS[first + i] for i, p in enumerate(powers, 1))

    result = block(12) + x4 / FACTORIALS[16]
    for first in (8, 4, 0):
        result = x4 @ result + block(first)
    for _ in range(squarings):
        result = result @ result
    return result


def squarings(matrices):
    """How often the largest must be halved."""
    return max(0, int(np.ceil(np.log2(np.abs(matrices).sum(axis=-2).max() / BOUND))))


def all_squarings(train, tissues, responses):
    """Of the pulses and of free precession, for the most demanding tissue."""
    none = np.zeros(len(train.durations))
    pulses = [
        generators(tissue, train.slope, response[:, 0])[1:] * train.TRF[1:, None, None]
        for tissue, response in zip(tissues, responses, strict=True)
    ]
    gaps = [generators(tissue, none, none) * train.durations[:, None, None] for tissue in tissues]
    return squarings(np.array(pulses)), squarings(np.array(gaps))


def signal_function(train, exponential, pulse_squarings, gap_squarings):
    """(theta (8,), theta0 (8,), response (n, 3)) -> (n, 2) real and imaginary part at each echo."""
    import jax
    import jax.numpy as jnp

    def matrices(theta, slope, R2sl):
        columns = [c * jnp.ones_like(slope) for c in coefficients(theta, slope, R2sl)]
        return jnp.tensordot(jnp.stack(columns, axis=-1), PATTERNS, 1)

    def inversion(theta, z):
        angle = theta[7] * train.alpha[0]
        refocused = jnp.sin(angle / 2) ** 2
        return jnp.diag(jnp.stack([refocused, -refocused, jnp.cos(angle), 0.0, z, 1.0]))

    def repetitions(theta, R2sl):
        A = matrices(theta, train.slope[1:], R2sl[1:]) * train.TRF[1:, None, None]
        none = np.zeros(len(train.durations))
        gap = exponential(matrices(theta, none, none) * train.durations[:, None, None], gap_squarings)
        gap = WITHOUT_XS @ gap
        pulse = jnp.concatenate([inversion(theta, R2sl[0])[None], exponential(A, pulse_squarings)])
        return gap[train.gap] @ (pulse @ (train.phase_turn @ gap)[train.gap])

    def echoes(theta, theta0, response):
        steps = (theta - theta0)[jnp.array([5, 7])]  # R2sl is given with its derivatives by T2s and B1
        M = repetitions(theta, response[:, 0] + response[:, 1:] @ steps)
        cycle, _ = jax.lax.scan(lambda product, m: (m @ product, None), jnp.eye(6), M)
        start = jnp.linalg.solve(jnp.eye(5) - cycle[:5, :5], cycle[:5, 5])

        def step(m, repetition):
            after = repetition @ m
            return after, after[:2]

        return jax.lax.scan(step, jnp.append(start, 1.0), M)[1]

    return echoes


def prepare(seq, tissues, exponential=library_exponential):
    """See `Peer`."""
    os.environ.update(ENVIRONMENT)
    import jax

    train = Train(seq)
    responses = train.responses(tissues)
    echoes = signal_function(train, exponential, *all_squarings(train, tissues, responses))

    def both(theta, response):
        def twice(t):
            values = echoes(t, theta, response)
            return values, values

        return jax.jacfwd(twice, has_aux=True)(theta)

    compiled = jax.jit(jax.vmap(both))

    def call():
        J, s = (np.asarray(part) for part in compiled(tissues, responses))
        return s[:, :, 0] + 1j * s[:, :, 1], J[:, :, 0] + 1j * J[:, :, 1]

    return call


AS_WRITTEN = Peer(
    name="JAX",
    does="vmap of jax.scipy.linalg.expm, lax.scan, jacfwd, jit, float64",
    made_fast="vmap over voxels too; free precession computed once where TRF repeats; no more squarings than needed; "
    "compilation not counted. More than half of its time goes to the Padé approximants: under vmap all five orders are "
    "computed and one is chosen",
    prepare=prepare,
    packages=("jax", "jaxlib"),
)
TUNED = Peer(
    name="JAX, own series",
    does="the same with an exponential of our own instead of the library's",
    made_fast="Taylor's series, the number of squarings fixed before compilation. Its time goes to batched products of "
    "6x6 matrices; sums of products in their place, with the pulses first or last, took three times as long",
    prepare=lambda seq, tissues: prepare(seq, tissues, series),
    packages=("jax", "jaxlib"),
)
