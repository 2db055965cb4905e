"""The simulator as an operator of torch: signals of tensors of parameters, with gradients by the exact sensitivities.

spinbound::simulate           theta (..., P), known (..., K) -> s (..., n)
spinbound::sensitivities      the same, and J = ds/dtheta (..., n, P), which is stored for the backward pass
spinbound::simulate_backward  dL/dtheta = Re(J^H g), with torch's gradient g of the real loss L by the complex s

The last is (9.3) of the theory. Sensitivities are computed only where a gradient is requested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from spinbound.base.checks import as_mapping, as_real, as_threads
from spinbound.base.errors import InvalidParameter
from spinbound.base.parameters import TISSUE
from spinbound.sequences.experiment import Experiment
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.signals.forward import ForwardModel

from .simulations import make_simulation, recall, remember

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def simulate(
    seq: Experiment,
    theta: Tensor,
    names: str | Iterable[str] = TISSUE,
    *,
    known: Mapping[str, Any] | None = None,
    M0: Any = None,
    basis: Basis | None = None,
    model: Model | str = "gbloch",
    threads: int | None = None,
) -> Tensor:
    """Simulate the signals of a pulse sequence, differentiable by the parameters of the tissue.

    s = M0 (xf + i yf) as in `spinbound.simulate`. The gradient of a real loss L is dL/dtheta_k = sum_n Re(conj(J_nk)
    g_n), with the exact derivatives J = ds/dtheta of `spinbound.sensitivities` and torch's g_n = dL/dRe(s_n) +
    i dL/dIm(s_n). In double precision and for M0 = 1 the bits are those of `simulate`, or, where a gradient is
    requested, of `sensitivities`. It works under `torch.compile` (with ``fullgraph=True``) and `torch.func.vmap`.

    Parameters
    ----------
    seq
        The pulse sequence, n recorded echoes; or a list of sequences, a joint experiment.
    theta : (..., P) tensor
        Parameters of the voxels in SI units, float64 or float32.
    names
        Names of the P columns, base or derived parameters; all of the tissue unless given. M0 is not among them.
    known
        Parameters without a gradient, by name: a number, or a real tensor or array that broadcasts against the voxels
        (...); no array in a function that torch compiles. A parameter in neither `names` nor `known` has the default
        of `spinbound.Tissue`.
    M0
        Complex scale, a number or a tensor that broadcasts against the voxels (...): it multiplies the signal in
        torch's own arithmetic, and so may have a gradient. 1 unless given.
    basis
        A `spinbound.Basis`: the signal is returned in its coefficients.
    model, threads
        As in `spinbound.simulate`.

    Returns
    -------
    (..., n) complex tensor
        The signal; with a basis (..., rank). complex128, or complex64 of numbers computed in double precision where
        theta is float32. Voxels with a parameter that is not accepted are NaN, and so is the gradient of their theta,
        even where the loss leaves them out: keep theta within its range, or leave such voxels out before the call.

    Raises
    ------
    InvalidParameter, InvalidSequence
        If an argument is not accepted, half precision among them. Bad voxels raise nothing, be it all of them.
    NotImplementedError
        If the gradient is differentiated again, or theta carries a tangent: the simulator has neither second
        derivatives nor torch's forward mode. In a compiled function tangents are lost unnoticed.

    Notes
    -----
    The work is done on the CPU; tensors on another device are copied there, and results back. A call with a gradient
    keeps J, 16 n P bytes per voxel (8 n P in single precision), until the backward pass: with a basis n is its rank.
    Under `torch.compile` sequence, basis and numbers are constants: others compile again. torch's `grad`, `vjp` and
    `jacrev` of `torch.func` refuse custom operators with a RuntimeError; use `torch.autograd` instead.

    References
    ----------
    Theory, section 9.

    Examples
    --------
    >>> import torch, spinbound as sb
    >>> from spinbound import nn
    >>> seq = sb.sequences.load("hybrid-mt-4s")
    >>> theta = torch.tensor([[0.15, 0.08]], dtype=torch.float64, requires_grad=True)
    >>> nn.simulate(seq, theta, ("m0s", "T2f"), known={"B1": 0.9}).abs().sum().backward()
    >>> theta.grad.shape
    torch.Size([1, 2])
    """
    titles = (names,) if isinstance(names, str) else tuple(names)
    _check_theta(theta, titles)

    numbers, maps = _as_known({} if known is None else known, theta)
    sequences = seq if isinstance(seq, (list, tuple)) else (seq,)
    key = _make_key(titles, tuple(maps), numbers, basis, model, *sequences)
    columns, fixed = _broadcast(theta, maps)
    signals = _simulate(columns, fixed, key, as_threads(threads))

    return signals if M0 is None else _scale(signals, M0)


# Arguments


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _make_key(
    names: tuple[str, ...],
    maps: tuple[str, ...],
    numbers: tuple[tuple[str, Any], ...],
    basis: Basis | None,
    model: Model | str,
    *sequences: Any,
) -> str:
    """Make the key of the simulation that the arguments describe; a compiled graph holds it as a constant.

    torch compiles again where a word, a number or the identity of an object differs; our objects never change.
    """
    return remember(make_simulation(ForwardModel.of(sequences, model, basis), names, maps, dict(numbers)))


def _check_theta(theta: Any, names: tuple[str, ...]) -> None:
    if not isinstance(theta, Tensor):
        raise InvalidParameter(f"theta must be a torch.Tensor; given {type(theta).__name__}")
    if theta.dtype not in COMPLEX:
        raise InvalidParameter(f"theta is {theta.dtype}; allowed: torch.float64, torch.float32")
    if theta.ndim == 0 or theta.shape[-1] != len(names):
        raise InvalidParameter(
            f"theta has shape {tuple(theta.shape)}; the last axis must be {len(names)}, a column for each of: "
            f"{', '.join(map(str, names))}"
        )
    if not torch.compiler.is_compiling() and _has_tangent(theta):
        raise NotImplementedError(
            "nn.simulate has no forward-mode derivatives; take a gradient, as torch.autograd does"
        )


def _has_tangent(theta: Tensor) -> bool:
    return unpack_dual(theta).tangent is not None  # type: ignore[no-untyped-call]


def _as_known(known: Any, theta: Tensor) -> tuple[tuple[tuple[str, Any], ...], dict[str, Tensor]]:
    """Return the known parameters as numbers, which all voxels share, and as maps.

    In a compiled graph numbers become maps too: a number that differs from call to call is no constant there.
    """
    as_mapping("known", known)
    shared = [name for name in known if isinstance(known[name], (int, float)) and not torch.compiler.is_compiling()]
    maps = {name: _as_map(name, value, theta) for name, value in known.items() if name not in shared}
    return tuple((name, known[name]) for name in shared), maps


def _as_map(name: str, value: Any, theta: Tensor) -> Tensor:
    if isinstance(value, (int, float)):
        return torch.as_tensor(value, dtype=torch.float64, device=theta.device)
    given = value if isinstance(value, Tensor) else torch.tensor(as_real(f"known[{name!r}]", value))
    if given.dtype.is_complex or given.dtype == torch.bool:
        raise InvalidParameter(f"known[{name!r}] must be real numbers; given {given.dtype}")
    if torch.is_grad_enabled() and given.requires_grad:
        raise InvalidParameter(f"known[{name!r}] asks for a gradient; make it a column of theta, or detach it")
    return given.to(theta.device, torch.float64)


def _broadcast(theta: Tensor, maps: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Broadcast theta (..., P) and the known maps (..., K) to the same voxels."""
    try:
        shape = torch.broadcast_shapes(theta.shape[:-1], *(m.shape for m in maps.values()))  # type: ignore[no-untyped-call]
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(given.shape)}" for name, given in maps.items())
        raise InvalidParameter(
            f"known does not broadcast to the voxels {tuple(theta.shape[:-1])} of theta: {shapes}"
        ) from None
    columns = [given.expand(shape) for given in maps.values()]
    fixed = torch.stack(columns, -1) if columns else theta.new_empty((*shape, 0), dtype=torch.float64)
    return theta.expand(*shape, theta.shape[-1]), fixed


def _scale(signals: Tensor, M0: Any) -> Tensor:
    scale = M0 if isinstance(M0, Tensor) else torch.as_tensor(M0)
    return signals * scale.to(signals.device, signals.dtype)[..., None]


# Operators


def _simulate(theta: Tensor, known: Tensor, key: str, threads: int) -> Tensor:
    """Compute the signals, by the operator that keeps J if theta needs a gradient; in a `vmap` only its rule knows."""
    if torch.is_grad_enabled() and theta.requires_grad:
        return _compute_sensitivities(theta, known, key, threads)[0]
    return _compute_signals(theta, known, key, threads)


@torch.library.custom_op("spinbound::simulate", mutates_args=())
def _compute_signals(theta: Tensor, known: Tensor, key: str, threads: int) -> Tensor:
    return _as_results(theta, recall(key).compute_signals(_as_rows(theta), _as_rows(known), threads))


@torch.library.custom_op("spinbound::sensitivities", mutates_args=())
def _compute_sensitivities(theta: Tensor, known: Tensor, key: str, threads: int) -> tuple[Tensor, Tensor]:
    signals, jacobians = recall(key).compute_sensitivities(_as_rows(theta), _as_rows(known), threads)
    return _as_results(theta, signals), _as_results(theta, jacobians)


@torch.library.custom_op("spinbound::simulate_backward", mutates_args=())
def _pull_back(gradient: Tensor, jacobian: Tensor, theta: Tensor) -> Tensor:  # noqa: ARG001  (see below)
    """Compute Re(J^H g); theta is an argument so that torch asks for second derivatives, which are refused."""
    return (jacobian.mH @ gradient[..., None])[..., 0].real.contiguous()


def _as_rows(values: Tensor) -> Any:
    """Return values as (N, columns) in double precision on the CPU."""
    n_voxels = values.shape[:-1].numel()
    return values.detach().resolve_neg().to("cpu", torch.float64).reshape(n_voxels, values.shape[-1]).numpy()


def _as_results(theta: Tensor, results: Any) -> Tensor:
    """Give results (N, ...) the axes of the voxels, the device and the precision of theta."""
    shape = (*theta.shape[:-1], *results.shape[1:])
    return torch.from_numpy(results).reshape(shape).to(theta.device, COMPLEX[theta.dtype])


# Shapes without values


@_compute_signals.register_fake
def _make_fake_signals(theta: Tensor, _known: Tensor, key: str, _threads: int) -> Tensor:
    return theta.new_empty((*theta.shape[:-1], recall(key).n_samples), dtype=COMPLEX[theta.dtype])


@_compute_sensitivities.register_fake
def _make_fake_sensitivities(theta: Tensor, known: Tensor, key: str, threads: int) -> tuple[Tensor, Tensor]:
    signals = _make_fake_signals(theta, known, key, threads)
    return signals, signals.new_empty((*signals.shape, theta.shape[-1]))


@_pull_back.register_fake
def _make_fake_gradient(_gradient: Tensor, _jacobian: Tensor, theta: Tensor) -> Tensor:
    return theta.new_empty(theta.shape)


# Gradients


def _keep_parameters(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001  (a name of torch)
    theta, known, ctx.key, ctx.threads = inputs
    ctx.save_for_backward(theta, known)


def _compute_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
    """Compute the gradient of the operator without J, for a caller of the operator itself."""
    theta, known = ctx.saved_tensors
    _, jacobian = _compute_sensitivities(theta.detach(), known, ctx.key, ctx.threads)
    return _pull_back(gradient, jacobian, theta), None, None, None


def _keep_jacobian(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(output[1], inputs[0])


def _pass_backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, None, None, None]:
    jacobian, theta = ctx.saved_tensors
    return None if gradient is None else _pull_back(gradient, jacobian, theta), None, None, None


def _refuse(ctx: Any, gradient: Tensor) -> None:
    raise NotImplementedError("the gradient of nn.simulate has no derivatives: the simulator knows first ones alone")


_compute_signals.register_autograd(_compute_backward, setup_context=_keep_parameters)
_compute_sensitivities.register_autograd(_pass_backward, setup_context=_keep_jacobian)
_pull_back.register_autograd(_refuse)


# Batches of batches


def _move_to_front(info: Any, dims: tuple[int | None, ...], *tensors: Tensor) -> list[Tensor]:
    """Move the axis that `vmap` maps over to the front of each tensor; a tensor without it is expanded."""
    return [
        value.expand(info.batch_size, *value.shape) if dim is None else value.movedim(dim, 0)
        for dim, value in zip(dims, tensors, strict=False)
    ]


@_compute_signals.register_vmap
def _map_signals(info: Any, dims: tuple[int | None, ...], theta: Tensor, known: Tensor, key: str, threads: int) -> Any:
    theta, known = _move_to_front(info, dims, theta, known)
    return _simulate(theta, known, key, threads), 0


@_compute_sensitivities.register_vmap
def _map_sensitivities(
    info: Any, dims: tuple[int | None, ...], theta: Tensor, known: Tensor, key: str, threads: int
) -> Any:
    return _compute_sensitivities(*_move_to_front(info, dims, theta, known), key, threads), (0, 0)


@_pull_back.register_vmap
def _map_pull_back(info: Any, dims: tuple[int | None, ...], gradient: Tensor, jacobian: Tensor, theta: Tensor) -> Any:
    return _pull_back(*_move_to_front(info, dims, gradient, jacobian, theta)), 0
