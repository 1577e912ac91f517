"""Convolutions whose rounding does not depend on how large a part of the image they see."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: PyTorch convolves one image of up to so many values on a CPU by another algorithm than all others.
_SMALL = 20480


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    padding: tuple[int, int] = (0, 0),
) -> Tensor:
    """Return the convolution of `x` (B, C, Y, X), the same to the last bit when a larger part is seen.

    Rounding errors count where an image is cut into tiles: they decide which pixels are detail, and which
    blocks the last step takes for alike.
    """
    if x.shape[0] > 1 or x.numel() > _SMALL or x.device.type != "cpu":
        return F.conv2d(x, weight, bias, padding=padding)
    # Zeros below, as the padding would be.
    rows = _SMALL // (x.shape[1] * x.shape[3]) + 1 - x.shape[2]
    taller = F.pad(x, (0, 0, 0, rows))
    out = F.conv2d(taller, weight, bias, padding=padding)
    return out[..., : out.shape[2] - rows, :]


class Conv2d(nn.Conv2d):
    """The layer; in training, where nothing is cut, it is PyTorch's own, which is faster on small patches."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x` (B, C, Y, X)."""
        # A traced network must not take its example's size for that of all images.
        if self.training or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return super().forward(x)
        assert not isinstance(self.padding, str)
        py, px = self.padding
        return conv2d(x, self.weight, self.bias, (py, px))
