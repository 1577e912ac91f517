"""Adam, and Muon: steps along the orthogonalised momentum of each convolution's weights."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

#: Coefficients of the quintic iteration that drives all singular values towards 1 (K. Jordan et al., "Muon:
#: an optimizer for hidden layers in neural networks", 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
#: Root mean square of an update at learning rate 1, that of AdamW (J. Liu et al., "Muon is scalable for LLM
#: training", 2025).
_RMS = 0.2


def orthogonalise(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return matrices with the singular vectors of `matrices` and singular values near 1 (0.7 to 1.2).

    A polynomial of a matrix X times X is a polynomial of X Xᵀ: all iterations work on the small square Gram
    matrices, of all `matrices` at once, and X itself is multiplied only at the end.

    Parameters
    ----------
    matrices
        Each of a shape (M, N) of its own.
    """
    wide = [x if x.shape[0] <= x.shape[1] else x.T for x in matrices]
    side = max(len(x) for x in wide)
    gram = wide[0].new_zeros((len(wide), side, side))
    for i, x in enumerate(wide):
        torch.mm(x, x.T, out=gram[i, : len(x), : len(x)])
    energy = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None] + 1e-14  # (K, 1, 1)
    gram = gram / energy
    a, b, c = _QUINTIC
    product = torch.eye(side, out=torch.empty_like(gram[0])) / energy.sqrt()
    for _ in range(_ITERATIONS):
        step = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # (K, side, side)
        step.diagonal(dim1=1, dim2=2).add_(a)
        product = step @ product
        gram = step @ (step @ gram)
    found = [product[i, : len(x), : len(x)] @ x for i, x in enumerate(wide)]
    return [x if m.shape[0] <= m.shape[1] else x.T for x, m in zip(found, matrices, strict=True)]


class _Light(Optimizer):
    """An optimiser that does without PyTorch's compiler.

    PyTorch loads it with the first optimiser, which takes 1.5 s, only to keep it away from these methods.
    """

    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)
    # Steps before a CUDA graph is recorded are meant to run without one.
    _warned_capturable_if_run_uncaptured = True


_adam_step, _adamw_step = (inspect.unwrap(c.step) for c in (torch.optim.Adam, torch.optim.AdamW))


class Adam(_Light, torch.optim.Adam):
    """PyTorch's Adam."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move all weights that have a gradient."""
        _adam_step(self)


class AdamW(_Light, torch.optim.AdamW):
    """PyTorch's AdamW."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move all weights that have a gradient."""
        _adamw_step(self)


class Muon(_Light):
    """Momentum, orthogonalised, for convolution weights; all else is left to another optimiser.

    Each step moves all directions of a weight matrix alike, where AdamW follows the few strong ones first: at
    the same number of steps it was 0.1 to 0.9 dB ahead. PyTorch's own Muon takes matrices alone, and works in
    bfloat16, which takes twice as long as the whole step on a CPU without it.

    Parameters
    ----------
    parameters
        Weights, shape (O, I, k, k).
    lr
        Learning rate.
    momentum
        Share of the old momentum that is kept.
    weight_decay
        Share of a weight, times the learning rate, that is taken away in each step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 1e-4,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move all weights that have a gradient."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if weights:
                self._move(weights, group["lr"], group["momentum"], group["weight_decay"])

    def _move(
        self, weights: list[Tensor], lr: float | Tensor, momentum: float, decay: float
    ) -> None:
        flat = [self._direction(weight, momentum) for weight in weights]
        for weight, update in zip(weights, orthogonalise(flat), strict=True):
            o, i, ky, kx = weight.shape
            rate = lr * (_RMS * max(update.shape) ** 0.5)
            shaped = update.reshape(o, ky, kx, i).permute(0, 3, 1, 2)
            weight.mul_(1 - lr * decay).sub_(shaped * rate)

    def _direction(self, weight: Tensor, momentum: float) -> Tensor:
        """Return Nesterov's momentum of one weight as a matrix (O, k·k·I)."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        mean = state["momentum"].lerp_(weight.grad, 1 - momentum)
        ahead = torch.lerp(weight.grad, mean, momentum)
        # The order of the columns does not matter; this one is that of the memory.
        return ahead.permute(0, 2, 3, 1).reshape(len(weight), -1)
