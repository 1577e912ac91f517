"""The live layers' roles: what they are called, what they mean and how they look."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """One kind of live layer.

    Attributes
    ----------
    key
        Name in :class:`~napari_blind2grad.gui.arrays.LiveArrays`.
    suffix
        What the layer's name adds to the input's.
    help
        One line for tool tips.
    colormap
        Name of the colour map; empty for the denoised image (the input's) and the dual mask (its own).
    symmetric
        Whether the contrast limits lie symmetrically around 0.
    default
        Whether it is shown unless the user says otherwise.
    """

    key: str
    suffix: str
    help: str
    colormap: str = ""
    symmetric: bool = False
    default: bool = True


#: All roles in the order in which the layers lie on the input, bottom to top.
ROLES: tuple[Role, ...] = (
    Role(
        "residual",
        "residual",
        "Input minus denoised: should look like noise, without structure.",
        colormap="PiYG",
        symmetric=True,
        default=False,
    ),
    Role(
        "standout_gate",
        "standout gate",
        "Where T-standout may not drop neurons: at edges.",
        colormap="gray",
        default=False,
    ),
    Role(
        "gradient_deviation",
        "gradient deviation",
        "|d_g|: where edges change when pixels are hidden, so where the network is unsure of structure.",
        colormap="inferno",
    ),
    Role(
        "gradient",
        "gradient",
        "|∇f(y)|: how strongly the denoised image changes from pixel to pixel.",
        colormap="magma",
    ),
    Role(
        "dual_mask",
        "dual mask",
        "Which pixels are hidden from the network, and which of them count as detail.",
    ),
    Role("denoised", "denoised", "The denoised image."),
)
