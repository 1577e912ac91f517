"""The U-Net (eqs. 3.13, 3.14) with its partial convolutions, gradient layer and channel attention."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import Config
from .convolution import Conv2d
from .gradient import forward_differences, magnitude
from .scales import SCALES, SCALES_REACH, blend, wide_means
from .standout import Standout

SLOPE = 0.1  # of LeakyReLU, section 5.1.1
#: Least channels of the compact network's coarser levels: they cost little there.
COARSE = 48


class PartialConv2d(nn.Module):
    """Convolution over visible pixels only, rescaled by their number (Liu et al. 2018).

    Parameters
    ----------
    inputs, outputs
        Channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and the updated mask.

        Parameters
        ----------
        x
            Shape (B, C, Y, X).
        mask
            1 where a pixel is visible, shape (B, C, Y, X) or (B, 1, Y, X).
        """
        kernel = torch.ones_like(self.conv.weight[:1, :1]).to(x.dtype)
        seen = F.conv2d(mask.mean(1, keepdim=True), kernel, padding=1)  # (B, 1, Y, X)
        visible = (seen > 0).to(x.dtype)
        scale = 9.0 / seen.clamp_min(1e-6) * visible
        return self.conv(x * mask) * scale + self.bias.view(1, -1, 1, 1) * visible, visible


class ChannelAttention(nn.Module):
    """Squeeze and excite: ``S* = sigmoid(W_II ReLU(W_I pool(x)))`` scales the channels (eq. 3.12)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.w_1 = Conv2d(channels, hidden, 1)
        self.w_2 = Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (B, C, Y, X) with each channel scaled by a number in (0, 1)."""
        pooled = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        return x * torch.sigmoid(self.w_2(F.relu(self.w_1(pooled))))


class GradientLayer(nn.Module):
    """Fixed forward differences of the features, joined to them (section 5.1.1); has no weights."""

    def forward(self, x: Tensor, standout: Standout | None) -> Tensor:
        """Return (B, 2C, Y, X): the features and the length of their gradient, under T-standout."""
        edges = magnitude(forward_differences(x))  # (B, C, Y, X)
        return torch.cat((x, standout(edges) if standout else edges), 1)


def _conv(inputs: int, outputs: int, norm: bool) -> nn.Sequential:
    conv = Conv2d(inputs, outputs, 3, padding=1, bias=not norm)
    layers: list[nn.Module] = [conv]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    layers.append(nn.LeakyReLU(SLOPE, inplace=True))
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Plain or partial convolutions and poolings down to ``1 / 2**depth``."""

    def __init__(self, inputs: int, widths: list[int], partial: bool) -> None:
        super().__init__()
        self.partial = partial
        self.stages = nn.ModuleList()
        for level, width in enumerate(widths):
            before = inputs if level == 0 else widths[level - 1]
            if partial:
                pair: list[nn.Module] = [PartialConv2d(before, width)]
                if level == 0:
                    pair.append(PartialConv2d(width, width))
            else:
                pair = [_conv(before, width, False), _conv(width, width, False)]
            self.stages.append(nn.ModuleList(pair))

    def forward(self, x: Tensor, mask: Tensor) -> list[Tensor]:
        """Return the features of each level, finest first."""
        levels: list[Tensor] = []
        for level, stage in enumerate(self.stages):
            if level:
                x = F.max_pool2d(x, 2)
                mask = F.max_pool2d(mask, 2) if self.partial else mask
            for conv in stage:  # type: ignore[attr-defined]
                if self.partial:
                    x, mask = conv(x, mask)
                    x = F.leaky_relu(x, SLOPE)
                else:
                    x = conv(x)
            levels.append(x)  # (B, widths[level], Y / 2**level, X / 2**level)
        return levels


class DecoderStage(nn.Module):
    """Upsample, join the skip, convolve twice under T-standout, weight the channels.

    Parameters
    ----------
    below, skip
        Channels that come from the coarser stage and from the encoder.
    width, above
        Channels of the first and of the second convolution.
    norm, attention, edges, drops
        Whether to normalise, to weight channels, to add the gradient layer, and to apply T-standout.
    early
        Convolve before upsampling. By linearity, a convolution of joined features is the sum of two;
        the coarse one costs a quarter at its own resolution.
    """

    def __init__(
        self,
        below: int,
        skip: int,
        width: int,
        above: int,
        *,
        norm: bool,
        attention: bool,
        edges: bool,
        drops: bool,
        early: bool,
    ) -> None:
        super().__init__()
        self.coarse = Conv2d(below, width, 3, padding=1, bias=False) if early else None
        joined = skip if early else below + skip
        self.first = Conv2d(joined, width, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(width) if norm else None
        self.gradient = GradientLayer() if edges else None
        self.drops = drops
        self.second = _conv(2 * width if edges else width, above, norm)
        self.attention = ChannelAttention(above) if attention else None

    def forward(self, x: Tensor, skip: Tensor, standout: Standout | None) -> Tensor:
        """Return features (B, above, Y, X) at the skip's resolution."""
        if self.coarse is not None:
            x = F.interpolate(self.coarse(x), scale_factor=2.0, mode="nearest")
            x = self.first(skip) + x
        else:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.first(torch.cat((x, skip), 1))
        x = F.leaky_relu(self.norm(x) if self.norm is not None else x, SLOPE, inplace=True)
        if self.gradient is not None:
            x = self.gradient(x, standout)
        elif standout is not None and self.drops:
            x = standout(x)
        x = self.second(x)
        return self.attention(x) if self.attention is not None else x


class UNet(nn.Module):
    """The denoiser ``f``: from a masked image with its mask (and neighbour planes) to the image.

    Parameters
    ----------
    samples
        Colour samples S of the image.
    neighbours
        Channels of neighbour planes given as context.
    config
        Architecture, width, depth, attention and gradient layer.
    """

    def __init__(self, samples: int, neighbours: int, config: Config) -> None:
        super().__init__()
        paper = config.architecture == "paper"
        self.paper = paper
        self.samples = samples
        self.fold = fold(config, samples)
        inputs = (samples + neighbours + (0 if paper else samples)) * self.fold**2
        widths = [config.width] * (config.depth + 1)
        if not paper:
            widths = [config.width, *[max(config.width, COARSE)] * config.depth]
        self.encoder = Encoder(inputs, widths, paper)
        self.decoder = nn.ModuleList()
        below = widths[-1]
        for level in reversed(range(config.depth)):
            width = 2 * config.width if paper else widths[level]
            # The compact decoder narrows before it upsamples: its full-size layers cost most.
            above = width if paper or level == 0 else widths[level - 1]
            self.decoder.append(
                DecoderStage(
                    below,
                    widths[level],
                    width,
                    above,
                    norm=paper,
                    attention=config.attention,
                    edges=config.gradient_layer and level == 1,
                    # Full-size neurons are many and carry fine detail; the paper stacks T-standout
                    # on half size.
                    drops=paper or level > 0 or self.fold > 1,
                    early=not paper,
                )
            )
            below = above
        outputs = samples if paper else samples + SCALES
        self.last = Conv2d(below, outputs * self.fold**2, 1 if not paper else 3, padding=int(paper))
        self.multiple = multiple(config)
        # Set from the image by `standardise`: the weights work on values of zero mean and unit spread.
        self.center = 0.0
        self.spread = 1.0

    def standardise(self, center: float, spread: float) -> None:
        """Tell the network the mean and the standard deviation of the images that it will see.

        Its first steps decide whether a fast optimiser converges: corrections must start out on the
        scale of the image's own contrast, whatever part of the robust range that is.
        """
        self.center, self.spread = center, max(spread, 1e-6)

    def forward(
        self, x: Tensor, mask: Tensor, filled: Tensor, standout: Standout | None = None
    ) -> Tensor:
        """Return the denoised image.

        Parameters
        ----------
        x
            Masked image and neighbour planes, shape (B, S + N, Y, X); blind pixels hold the filling.
            Y and X are multiples of :func:`multiple`; in a grid of every `dilation`-th pixel, of that part
            of it.
        mask
            Ω: 1 where a pixel of the image is visible, shape (B, S, Y, X).
        filled
            Smooth image, shape (B, S, Y, X). The compact network blends it with wider means, so that flat
            areas are smooth from the first step, and corrects the blend.
        standout
            T-standout of this pass; None switches it off.
        """
        if self.paper:
            extra = x.shape[1] - mask.shape[1]
            full = mask if not extra else F.pad(mask, (0, 0, 0, 0, 0, extra), value=1.0)
            levels = self.encoder(x, full)
        else:
            seen = torch.cat(((x - self.center) / self.spread, mask), 1)
            seen = F.pixel_unshuffle(seen, self.fold).contiguous(memory_format=torch.channels_last)
            levels = self.encoder(seen, mask)
        h = levels.pop()
        for stage in self.decoder:
            h = stage(h, levels.pop(), standout)
        out: Tensor = self.last(h)
        if self.paper:
            return out
        out = F.pixel_shuffle(out.to(filled.dtype), self.fold)
        correction, choice = torch.split(out, [self.samples, SCALES], 1)
        means = wide_means(x[:, : self.samples], mask, self.center)
        return blend(filled, means, choice) + correction * self.spread

    def radius(self) -> int:
        """Return how far, in pixels, an input pixel can reach in the output, attention aside.

        Where the network sees grids, these are pixels of a grid.
        """
        reach = 0
        for level, stage in enumerate(self.encoder.stages):
            reach += (len(stage) + (1 if level else 0)) * 2**level  # type: ignore[arg-type]
        for level in range(len(self.decoder)):
            reach += 2 * 2**level + 2**level
        own = int(reach + 1) * self.fold
        return own if self.paper else max(own, SCALES_REACH)


def fold(config: Config, samples: int) -> int:
    """Return the side of the squares of pixels whose values become channels of one (pixel unshuffle).

    A convolution of 32 channels costs a quarter on cells of 2 × 2 pixels, and reaches twice as far. Not in
    colour, where one pixel has as many values; not with dilation, where pixels are far apart as it is; not in
    the paper's network.
    """
    if config.architecture == "paper" or config.tap_distance > 1 or samples > 1:
        return 1
    return config.fold


def multiple(config: Config) -> int:
    """Return what rows and columns must be multiples of: the poolings, and the uniform mask's cells.

    In each of the grids of every `dilation`-th pixel, that is.
    """
    return int(max(4, fold(config, 1) * 2**config.depth)) * config.tap_distance


def build(samples: int, neighbours: int, config: Config, seed: int) -> UNet:
    """Return a network whose initial weights depend on `seed` alone, on the CPU.

    The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        network = UNet(samples, neighbours, config)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.weight[0].numel()
            deviation = math.sqrt(2.0 / (1.0 + SLOPE**2) / fan)
            nn.init.normal_(module.weight, 0.0, deviation, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if not network.paper:
        # The compact network starts as its filling and learns the correction.
        nn.init.zeros_(network.last.weight)
    return network
