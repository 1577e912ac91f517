"""What the Blind2Grad paper states in its tables 2 to 4 (PSNR in dB, SSIM), to stand beside ours.

B. Song et al., AIMS Mathematics 10(6), 2025. Noise draws and, it may be, SSIM settings differ from ours, so
margins over BM3D are what compares. Sets that the paper has and these data do not: HànZi, BSD300, Planaria,
SIDD, DND. Its Urban100 is the whole set, ours a few images.
"""

from __future__ import annotations

#: Groups of cases, and the figures of ``BM3D, N2S, S2S, ZS-N2N, Blind2Grad``.
_ORDER = ("bm3d", "n2s", "s2s", "zs_n2n", "b2g")
_ROWS = {
    "Set9/g25": "31.67/0.955 29.30/0.940 31.74/0.956 29.84/0.763 32.01/0.965",
    "Set9/g50": "28.95/0.922 27.25/0.904 29.25/0.928 25.76/0.614 29.66/0.946",
    "Set9/g75": "27.36/0.895 25.85/0.861 27.61/0.901 22.78/0.518 27.85/0.918",
    "Set9/g100": "26.04/0.868 24.67/0.848 26.27/0.877 20.46/0.446 26.59/0.890",
    "Urban100/g25": "28.76/0.901 27.11/0.892 29.43/0.936 26.94/0.837 30.00/0.952",
    "Urban100/g50": "25.48/0.876 24.72/0.853 26.22/0.884 22.86/0.698 26.93/0.902",
    "Urban100/g75": "24.03/0.829 23.69/0.819 24.23/0.837 20.12/0.577 24.69/0.848",
    "Urban100/g100": "22.36/0.759 22.18/0.745 22.57/0.768 18.12/0.478 23.14/0.794",
    "BSD68/g25": "28.56/0.801 27.19/0.769 28.70/0.803 28.33/0.794 28.89/0.823",
    "BSD68/g50": "25.62/0.687 24.53/0.642 25.92/0.699 25.58/0.681 26.33/0.719",
    "Kodak24/g25": "31.87/0.868 30.96/0.843 31.28/0.864 29.17/0.773 32.46/0.885",
    "Kodak24/g50": "29.01/0.794 28.09/0.781 29.05/0.792 24.94/0.610 29.36/0.813",
    "CBSD68/g25": "30.71/0.837 29.71/0.800 30.65/0.825 28.54/0.799 31.09/0.857",
    "CBSD68/g50": "27.60/0.779 26.58/0.774 27.56/0.778 24.39/0.644 27.85/0.790",
    "Set14/g25": "30.88/0.854 29.80/0.815 30.08/0.839 28.26/0.770 31.39/0.869",
    "Set14/g50": "27.85/0.771 26.61/0.757 27.63/0.762 24.19/0.625 28.36/0.796",
    "Planaria/p30": "34.64/0.924 34.59/0.922 34.98/0.924 34.48/0.915 35.26/0.930",
    "Planaria/p50": "33.98/0.908 33.83/0.905 34.25/0.908 33.66/0.900 34.32/0.912",
}


def _read(row: str) -> dict[str, tuple[float, float]]:
    pairs = (tuple(map(float, pair.split("/"))) for pair in row.split())
    return dict(zip(_ORDER, pairs, strict=True))


FIGURES: dict[str, dict[str, tuple[float, float]]] = {k: _read(v) for k, v in _ROWS.items()}


def figure(group: str, method: str) -> tuple[float, float] | None:
    """Return the paper's PSNR and SSIM of `method` on `group`; all of ours stand for Blind2Grad."""
    name = "b2g" if method.startswith("b2g-") else method.partition(":")[0]
    return FIGURES.get(group, {}).get(name)


def margin(group: str, method: str) -> float | None:
    """Return the paper's PSNR of `method` less its PSNR of BM3D."""
    own, reference = figure(group, method), figure(group, "bm3d")
    return None if own is None or reference is None else own[0] - reference[0]
