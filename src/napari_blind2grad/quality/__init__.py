"""How good a result is, without knowing the truth: noise, residual, resolution, and what follows in words.

NumPy and SciPy alone; nothing here knows of PyTorch or of the window.
"""

from .assess import Quality, assess
from .correlation import Correlation
from .leftover import Leftover
from .noise import NoiseFit
from .rings import Rings
from .verdicts import Verdict

__all__ = ["Correlation", "Leftover", "NoiseFit", "Quality", "Rings", "Verdict", "assess"]
