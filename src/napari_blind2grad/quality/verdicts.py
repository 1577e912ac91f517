"""What the figures mean, in sentences, with what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .correlation import Correlation
from .leftover import Leftover
from .noise import NoiseFit
from .sampling import Sample

#: A neighbour with this correlation tells 2 % of a pixel's noise variance, four of them 9 %: from there on
#: a network that predicts pixels from their neighbours begins to paint the noise.
CORRELATED = 0.15
#: Above this, an image without noise is as likely as smooth noise.
_SMOOTH = 0.6
#: Correlation from which a run looks at pixels that are farther apart.
_MUCH = 0.27
#: Noise left with this share of its standard deviation is 1/16 of its variance. The same sixteenth of the
#: residual's variance is what structure may have before it counts as removed.
NOISE_LEFT = 0.25
STRUCTURE = 1 / 16
#: Losses of contrast below this are not worth a word, however clearly they stand out.
_CONTRAST = 0.1
_SATURATED, _DARK = 0.005, 0.25
_PHOTONS = 2.0

Kind = Literal["good", "advice", "warning"]


@dataclass(frozen=True)
class Verdict:
    """One sentence about an image or a result.

    Attributes
    ----------
    kind
        ``"good"``: nothing to do; ``"advice"``: other settings may do better; ``"warning"``: the method
        reaches its limits here.
    name
        Short name of the finding, such as ``"correlated"`` or ``"noise-left"``.
    text
        The sentence, with what to do.
    """

    kind: Kind
    name: str
    text: str


def of_input(sample: Sample, noise: NoiseFit, shared: Correlation) -> list[Verdict]:
    """Return what there is to say about the noisy image."""
    found = [*_of_noise(noise, shared), *_of_correlation(shared)]
    if sample.saturated > _SATURATED:
        found.append(
            Verdict(
                "warning",
                "saturated",
                f"{sample.saturated:.1%} of the pixels are saturated: what was brighter is lost, and no "
                "denoising brings it back.",
            )
        )
    if sample.dark > _DARK:
        found.append(
            Verdict(
                "warning",
                "clipped",
                f"{sample.dark:.0%} of the pixels hold the lowest value: if the camera cut them off there, "
                "dark places come out a little too bright.",
            )
        )
    if noise.photons < _PHOTONS and noise.kind == "Poisson–Gaussian":
        found.append(
            Verdict(
                "warning",
                "few-photons",
                f"Only about {noise.photons:.1g} photons in bright places: fine structure in the result may "
                "be made up. Compare with another seed.",
            )
        )
    if noise.kind == "unknown":
        found.append(
            Verdict(
                "warning",
                "small",
                "Too few pixels to tell noise from structure: nothing is judged.",
            )
        )
    if sample.blank:
        found.append(
            Verdict(
                "warning",
                "blank",
                f"{sample.blank} of {sample.looked_at} planes looked at are blank.",
            )
        )
    if min(sample.noisy.shape[1:]) < 8:
        y, x = sample.noisy.shape[1:]
        found.append(
            Verdict(
                "warning",
                "thin",
                f"Planes of {y} × {x} pixels are too thin: the network learns from neighbours, and there "
                "are hardly any. Check the axes.",
            )
        )
    return found


def _of_noise(noise: NoiseFit, shared: Correlation) -> list[Verdict]:
    correlated = abs(shared.strongest) > CORRELATED
    if noise.kind == "Poisson–Gaussian":
        text = (
            f"The noise grows with brightness (Poisson–Gaussian): gain {noise.gain:.3g} per photon, "
            f"about {noise.photons:.2g} photons in bright places."
        )
    elif noise.kind == "Gaussian":
        text = f"The noise is the same everywhere (Gaussian): σ {noise.sigma:.3g}."
    elif noise.kind == "none" and not correlated:
        return [
            Verdict("warning", "noise-free", "Hardly any noise was found: there is little to gain.")
        ]
    else:
        return []
    if correlated:
        text += " It is stronger than this, since neighbouring pixels share it."
    return [Verdict("good", "noise", text)]


def _of_correlation(shared: Correlation) -> list[Verdict]:
    found = []
    margin = CORRELATED + 3 * shared.error
    strongest = shared.strongest
    stripes = [
        letter
        for letter in ("Y", "X")
        if shared.grainy and float(shared.along.get(letter, np.zeros(1)).min()) > margin
    ]
    if stripes:
        what = {"Y": "columns", "X": "rows"}[stripes[0]]
        found.append(
            Verdict(
                "warning",
                "stripes",
                f"There are stripes: whole {what} share their noise. Remove them first (destripe); the "
                "network takes them for structure.",
            )
        )
    elif abs(strongest) > margin:
        other = ", or set it to 2 or more" if strongest > _MUCH else ""
        doubt = " – or there is hardly any" if strongest > _SMOOTH else ""
        found.append(
            Verdict(
                "warning",
                "correlated",
                f"The noise is correlated between neighbouring pixels ({strongest:.2f}){doubt}: leave "
                f"Dilation (Advanced, Network) on automatic{other}.",
            )
        )
    for letter, what in (("Z", "planes"), ("T", "time points")):
        values = shared.along.get(letter)
        if strongest <= _SMOOTH and values is not None and values[0] > margin:
            found.append(
                Verdict(
                    "warning",
                    "planes-correlated",
                    f"Neighbouring {what} share noise ({values[0]:.2f}): set Dimensions (Advanced, Network) "
                    "to 2D, or the network copies it from there.",
                )
            )
    return found


def of_result(shared: Correlation, residual: Correlation, left: Leftover) -> list[Verdict]:
    """Return what there is to say about a denoised image."""
    found = []
    if left.noise_left > NOISE_LEFT:
        found.append(
            Verdict(
                "advice",
                "noise-left",
                f"Noise is left ({left.noise_left:.0%} of it): try more iterations, or fewer if “held out” "
                "in the plot has begun to rise.",
            )
        )
    input_share = shared.strongest if shared.grainy else math.inf
    spread = residual.strongest - max(input_share, 0.0) > CORRELATED
    leaked = left.structure_in_residual > STRUCTURE and left.contrast_lost > _CONTRAST
    if leaked or spread:
        share = (
            f"{left.structure_in_residual:.0%} of the residual follows the image"
            if leaked
            else f"neighbouring pixels of the residual are alike, {residual.strongest:.2f}"
        )
        found.append(
            Verdict(
                "advice",
                "structure-removed",
                f"Structure was removed ({share}): try more iterations, or to lower ω or raise ε_g, and "
                "compare.",
            )
        )
    if not found:
        found.append(
            Verdict(
                "good",
                "clean",
                "The residual looks like noise: hardly any noise is left, and no structure was removed.",
            )
        )
    return found
