"""Every parameter of the method, declared once.

:class:`Config` is frozen and validates itself. Each field carries its label, help, bounds, unit and the
paper's symbol; the command line, the window's form and the documentation are derived from them.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from .errors import ConfigError

Group = Literal["method", "noise", "sampling", "network", "training", "run"]


@dataclass(frozen=True)
class Parameter:
    """The declaration of one field of :class:`Config`.

    Attributes
    ----------
    name, kind, default
        Field name, its Python type (``int``, ``float``, ``bool`` or ``str``) and its default.
    label, help
        Short name for forms; one or two sentences in a biologist's words.
    symbol
        The paper's symbol, or an empty string.
    low, high, step
        Inclusive bounds and the step of a spin box (numbers only).
    unit
        Unit of the value, or an empty string.
    choices
        Allowed values of a ``str`` (empty: free text).
    group
        Section of the form that shows the parameter; ``"method"`` is always visible.
    live
        Whether a change takes effect while a run goes on.
    lowest
        What a form shows in place of the lowest number, or an empty string.
    """

    name: str
    kind: type
    default: Any
    label: str
    help: str
    symbol: str = ""
    low: float = -math.inf
    high: float = math.inf
    step: float = 1
    unit: str = ""
    choices: tuple[str, ...] = ()
    group: Group = "run"
    live: bool = False
    lowest: str = ""

    def check(self, value: Any) -> Any:
        """Return `value` as this parameter's type, or raise :class:`ConfigError`."""
        if self.kind is bool:
            if not isinstance(value, bool):
                raise ConfigError(f"{self.name} must be true or false, not {value!r}.")
            return value
        if self.kind is str:
            if not isinstance(value, str):
                raise ConfigError(f"{self.name} must be text, not {value!r}.")
            if self.choices and value not in self.choices:
                raise ConfigError(
                    f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}."
                )
            return value
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            raise ConfigError(f"{self.name} must be a number, not {value!r}.")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):  # arrays, 10**400
            raise ConfigError(f"{self.name} must be one number, not {value!r:.50}.") from None
        if not math.isfinite(number):
            raise ConfigError(f"{self.name} must be a finite number, not {value!r}.")
        if self.kind is int and number != int(number):
            raise ConfigError(f"{self.name} must be a whole number, not {value!r}.")
        if not self.low <= number <= self.high:
            raise ConfigError(
                f"{self.name} must lie between {self.low:g} and {self.high:g}, not {value!r}."
            )
        return self.kind(value)


def _p(default: Any, label: str, help: str, **declaration: Any) -> Any:
    return field(default=default, metadata=dict(label=label, help=help, **declaration))


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one run. The defaults are the ``fast`` preset's.

    Use :meth:`preset` to start from a named preset and :meth:`replace` to change single values; both
    validate. Thresholds are given on the paper's 0-255 scale, whatever the image's own type: the stack's
    intensities are mapped so that its robust range is 255 wide.

    Raises
    ------
    ConfigError
        If a value has the wrong type or lies outside its bounds.
    """

    base: str = _p("fast", "Preset", "The preset that these settings started from.")

    # --- the method's own numbers, always visible
    omega: float = _p(
        0.1,
        "Edge weight ω",
        "How strongly edges that the masks hide must agree with those of the whole image. "
        "Much of it costs accuracy; whether a little helps an image has to be tried.",
        symbol="ω",
        low=0,
        high=4,
        step=0.05,
        group="method",
        live=True,
    )
    gamma: float = _p(
        0.5,
        "Content weight γ",
        "How strongly brightness itself must be right, beside the edges.",
        symbol="γ",
        low=0,
        high=10,
        step=0.05,
        group="method",
        live=True,
    )
    eps_g: float = _p(
        40.0,
        "Detail threshold ε_g",
        "A pixel counts as detail where noisy and denoised image differ by at least this much. "
        "Details are hidden less often by the dual mask; how much that changes the result has to be tried.",
        symbol="ε_g",
        low=0,
        high=255,
        step=1,
        unit="/255",
        group="method",
        live=True,
    )
    eps_s: float = _p(
        25.0,
        "Edge threshold ε_s",
        "Where the denoised image changes by at least this much from pixel to pixel, the network "
        "may not drop neurons (T-standout).",
        symbol="ε_s",
        low=0,
        high=255,
        step=1,
        unit="/255",
        group="method",
        live=True,
    )
    mask_rate: float = _p(
        0.25,
        "Mask rate",
        "Share of pixels hidden from the network in each step; it must predict them from the others.",
        symbol="1 − E[Ω]",
        low=0.02,
        high=0.9,
        step=0.01,
        group="method",
        live=True,
    )
    iterations: int = _p(
        320,
        "Iterations",
        "Training steps. More is slower and, up to a point, sharper and cleaner.",
        low=1,
        high=1_000_000,
        step=100,
        group="method",
        live=True,
    )
    cycles: int = _p(
        4,
        "Cycles",
        "How many times the masks and edge maps are refreshed from the denoised image.",
        symbol="M",
        low=1,
        high=1000,
        group="method",
    )

    # --- the camera, where it is known
    gain: float = _p(
        0.0,
        "Camera gain",
        "Grey values for each detected photon, if known (0: not told): the variance of the noise grows by "
        "this much with each grey value. The last step and the detail map then go by it, not by an estimate.",
        low=0,
        high=1e9,
        step=0.01,
        group="noise",
        lowest="not told",
    )
    offset: float = _p(
        0.0,
        "Camera offset",
        "Grey value in the dark. Counts only with a camera gain.",
        low=-1e9,
        high=1e9,
        step=1,
        group="noise",
    )
    read_noise: float = _p(
        0.0,
        "Read noise",
        "Standard deviation of the noise in the dark, in grey values, if known (0: not told, and estimated "
        "beside a gain); without a camera gain, that of the noise everywhere.",
        low=0,
        high=1e9,
        step=0.1,
        group="noise",
        lowest="not told",
    )

    counts: bool = _p(
        True,
        "Photon counts",
        "Find out whether the values are photon counts, or whole multiples of a step that stands for one. "
        "Their noise is known then, as if the step were told as the camera's gain.",
        group="noise",
    )

    # --- masks and loss
    mask: str = _p(
        "dual",
        "Mask",
        "dual: the paper's two layers; bernoulli: every pixel alike; uniform: a fixed number of "
        "pixels per cell of a grid.",
        choices=("dual", "bernoulli", "uniform"),
        group="sampling",
    )
    even: bool = _p(
        True,
        "Even draw",
        "Hidden pixels are spread evenly, at the usual rate one in each square of 2 × 2, so that the "
        "neighbours of each are seen; off: each is drawn by itself, as in the paper. No effect with uniform "
        "masks.",
        group="sampling",
    )
    detail: str = _p(
        "noise-aware",
        "Detail map",
        "noise-aware: difference to the denoised image over a small neighbourhood, above the noise; "
        "literal: the paper's difference of single pixels.",
        choices=("noise-aware", "literal"),
        group="sampling",
    )
    rho: float = _p(
        0.5,
        "Detail protection ρ",
        "How much less often detail pixels are hidden: 0 as often as others, 1 never.",
        symbol="ρ",
        low=0,
        high=1,
        step=0.05,
        group="sampling",
    )
    importance: bool = _p(
        True,
        "Inverse-probability weights",
        "Weight each hidden pixel by one over its chance of being hidden, so that protecting details "
        "does not bias the result.",
        group="sampling",
    )
    gradient: str = _p(
        "per-axis",
        "Gradient reading",
        "How the gradient deviation joins the content difference: its length, or one term per axis.",
        choices=("magnitude", "per-axis"),
        group="sampling",
    )
    form: str = _p(
        "signed",
        "Loss form",
        "signed: eq. 3.7; absolute: eqs. 3.5 and 3.6.",
        choices=("signed", "absolute"),
        group="sampling",
    )
    revisible: str = _p(
        "cycle",
        "Whole-image branch",
        "Where ∇f(y) comes from: the last cycle's image (cheapest), a fresh pass without gradient, "
        "or a pass that is trained too (may collapse to copying the noise).",
        choices=("cycle", "stop-gradient", "full"),
        group="sampling",
    )

    # --- network
    dimensions: str = _p(
        "auto",
        "Dimensions",
        "2D: each plane alone; 2.5D: with its neighbouring planes as context; auto: 2.5D for stacks.",
        choices=("auto", "2D", "2.5D"),
        group="network",
    )
    context: int = _p(
        2,
        "Neighbour planes",
        "Planes on each side that the network sees in 2.5D.",
        low=1,
        high=4,
        group="network",
    )
    networks: str = _p(
        "per-channel",
        "Networks",
        "per-channel: train one network for each channel; one: a single network for all channels. "
        "Time points always share one.",
        choices=("per-channel", "one"),
        group="network",
    )
    architecture: str = _p(
        "compact",
        "Architecture",
        "compact: hidden pixels are filled from their neighbours and the network corrects the filling; "
        "paper: partial convolutions, batch norm, hidden pixels are zero.",
        choices=("compact", "paper"),
        group="network",
    )
    width: int = _p(
        32, "Width", "Channels of the first layer.", low=4, high=256, step=8, group="network"
    )
    fold: int = _p(
        2,
        "Fold",
        "The compact network takes squares of this many pixels a side as one. 2 is about three times "
        "faster; 1 keeps finer detail. No effect in colour images and with a dilation of 2 or more.",
        low=1,
        high=2,
        group="network",
    )
    depth: int = _p(
        3, "Depth", "How many times the image is halved.", low=1, high=6, group="network"
    )
    attention: bool = _p(
        False,
        "Channel attention",
        "Squeeze-excite weighting of the feature channels (eq. 3.12).",
        group="network",
    )
    gradient_layer: bool = _p(
        False,
        "Gradient layer",
        "Feed the forward differences of the half-size features to the decoder (section 5.1.1).",
        group="network",
    )
    dropout: float = _p(
        0.05,
        "T-standout rate",
        "Chance that a decoder neuron away from edges is dropped in a step; 0 switches it off.",
        low=0,
        high=0.9,
        step=0.05,
        group="network",
    )
    dilation: int = _p(
        0,
        "Dilation",
        "For noise that neighbouring pixels share: the network sees every second, third or fourth pixel at "
        "a time, and the last step goes by the noise's spectrum. 0 decides by itself, unless noise is told.",
        low=0,
        high=4,
        group="network",
        lowest="automatic",
    )

    # --- training and prediction
    optimizer: str = _p(
        "muon",
        "Optimiser",
        "muon: orthogonalised momentum for the convolutions, AdamW for the rest, one-cycle schedule; "
        "adamw: AdamW alone with that schedule; adam: plain Adam, constant rate.",
        choices=("muon", "adamw", "adam"),
        group="training",
    )
    lr: float = _p(
        1.4e-3,
        "Learning rate",
        "Peak learning rate; Muon takes four times as much.",
        low=1e-7,
        high=1.0,
        step=1e-4,
        group="training",
        live=True,
    )
    patch: int = _p(
        192,
        "Patch",
        "Side of the square patches trained on; 0 takes whole planes. The preset's patches become fewer and "
        "smaller where its iterations would see a small image so often that they learn its noise by heart.",
        low=0,
        high=4096,
        step=32,
        unit="px",
        group="training",
    )
    batch: int = _p(
        0,
        "Batch",
        "Patches per step; 0 chooses one or two by the size of the image.",
        low=0,
        high=256,
        group="training",
    )
    augment: bool = _p(
        True,
        "Flips and rotations",
        "Train on, and average over, the 8 orientations of the image.",
        group="training",
    )
    passes: int = _p(
        8,
        "Passes",
        "Predictions with fresh masks that are averaged for the final image.",
        low=1,
        high=1000,
        group="training",
    )
    refine: bool = _p(
        True,
        "Refine",
        "Finish by filtering the noisy image itself, guided by the network's: brings back fine detail.",
        group="training",
    )
    stochastic: bool = _p(
        False,
        "T-standout in prediction",
        "Keep dropping neurons in the averaged passes, as the paper does.",
        group="training",
    )

    # --- machine and output
    device: str = _p(
        "auto", "Device", "auto, cpu, cuda, cuda:1 or mps. auto takes the fastest there is."
    )
    precision: str = _p(
        "auto",
        "Precision",
        "auto takes bfloat16 where the hardware has it.",
        choices=("auto", "float32", "bfloat16"),
    )
    threads: int = _p(0, "CPU threads", "0 takes all cores.", low=0, high=1024)
    seed: int = _p(
        0,
        "Seed",
        "Start of all random draws; the same seed on the same device gives the same result.",
        low=0,
        high=2**31 - 1,
    )
    dtype: str = _p(
        "input",
        "Output type",
        "input: the type of the input, rounded and saturated; float32: unrounded.",
        choices=("input", "float32"),
    )

    def __post_init__(self) -> None:
        for parameter in parameters():
            value = parameter.check(getattr(self, parameter.name))
            object.__setattr__(self, parameter.name, value)
        if self.base not in PRESETS:
            raise ConfigError(
                f"There is no preset {self.base!r}: choose one of {', '.join(PRESETS)}."
            )

    @property
    def knows_noise(self) -> bool:
        """Whether the noise is told, and not estimated."""
        return self.gain > 0 or self.read_noise > 0

    @property
    def tap_distance(self) -> int:
        """Distance of the pixels that a network sees together: `dilation`, or 1 while it is to be found."""
        return max(1, self.dilation)

    @classmethod
    def preset(cls, name: str = "fast", **changes: Any) -> Config:
        """Return the preset `name` with `changes` applied.

        Raises
        ------
        ConfigError
            If there is no such preset or parameter, or a value is out of range.
        """
        if name not in PRESETS:
            raise ConfigError(f"There is no preset {name!r}: choose one of {', '.join(PRESETS)}.")
        _check_names(changes)
        return cls(**{"base": name, **PRESETS[name], **changes})

    def replace(self, **changes: Any) -> Config:
        """Return a copy with `changes` applied, validated."""
        _check_names(changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all values as a plain dictionary that JSON can hold."""
        return dataclasses.asdict(self)

    def made(self, values: Mapping[str, Any]) -> bool:
        """Tell whether a run with these settings may have ended with those of `values` (:meth:`to_dict`).

        They are the same, but for the dilation where that is left to the run: any will do then.
        """
        own = self.to_dict()
        if self.dilation == 0:
            own["dilation"] = values.get("dilation")
        return own == values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """Rebuild a config from :meth:`to_dict`; unknown names raise :class:`ConfigError`."""
        _check_names(values)
        return cls.preset(str(values.get("base", "fast"))).replace(**values)

    def changes(self) -> dict[str, Any]:
        """Return what differs from the preset `base`: enough to rebuild this config."""
        start = Config.preset(self.base)
        return {
            p.name: getattr(self, p.name)
            for p in parameters()
            if getattr(self, p.name) != getattr(start, p.name)
        }

    def to_json(self) -> str:
        """Return all values as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def _check_names(values: Mapping[str, Any]) -> None:
    known = {p.name for p in parameters()}
    for name in values:
        if name not in known:
            raise ConfigError(f"There is no parameter {name!r}.")


_KINDS: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


def parameters() -> Iterator[Parameter]:
    """Yield the declaration of each field of :class:`Config`, in order."""
    for f in dataclasses.fields(Config):
        yield Parameter(
            name=f.name, kind=_KINDS[str(f.type)], default=f.default, **dict(f.metadata)
        )


#: What each preset changes against the defaults of :class:`Config`, which are `fast`.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "fast": MappingProxyType({}),
        "balanced": MappingProxyType(dict(iterations=800, cycles=6, fold=1, lr=0.001, batch=4)),
        # Section 5.1.1 of the paper, literally.
        "paper": MappingProxyType(
            dict(
                omega=0.8,
                iterations=3000,
                cycles=6,
                detail="literal",
                counts=False,
                dilation=1,
                even=False,
                importance=False,
                rho=0.9,
                revisible="stop-gradient",
                architecture="paper",
                width=48,
                depth=5,
                attention=True,
                gradient_layer=True,
                dropout=0.3,
                optimizer="adam",
                lr=2e-5,
                dimensions="2D",
                patch=0,
                batch=1,
                augment=False,
                passes=40,
                stochastic=True,
                refine=False,
                precision="float32",
            )
        ),
    }
)

#: One line for each preset, shown beside its name.
PRESET_HELP: Mapping[str, str] = MappingProxyType(
    {
        "fast": "Seconds on a laptop: a small network on random patches.",
        "balanced": "Minutes: every pixel at full resolution, trained longer.",
        "paper": "The paper's own network and settings; slow without a GPU.",
    }
)
