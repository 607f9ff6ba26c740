"""Random numbers by name, and smooth random fields made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Key = tuple[str | int, ...]

LOW = (-64.0, -128.0, -110.0)
HIGH = (96.0, 128.0, 110.0)
"""The block of patient space, (z, y, x) in mm LPS, that a random field covers; further out it stays as at the
border.
"""


def stream(*key: str | int) -> np.random.Generator:
    """A generator of its own for each key, such as ``(seed, "train", 12, "skull")``.

    The key is hashed, so a component that is added later takes its own stream and changes no number of any other.

    >>> a, b = stream(0, "train", 12, "skull"), stream(0, "train", 12, "skull")
    >>> bool(a.random() == b.random())
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in key).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(int.from_bytes(digest[:16], "little")))


def ramp(x: Any, low: float, high: float) -> Any:
    """0 below `low`, 1 above `high`, straight in between."""
    scaled = (x - low) * np.float32(1 / (high - low))
    return np.clip(scaled, 0, 1, out=scaled) if isinstance(scaled, np.ndarray) else min(max(float(scaled), 0.0), 1.0)


@dataclass(frozen=True)
class Lattice:
    """A smooth random field: white noise on a grid of knots, interpolated by cubic B-splines.

    Mean 0, standard deviation about 1. It is evaluated where a slice needs it, and only there.

    Parameters
    ----------
    values : float32 (fields, nz, ny, nx) at the knots.
    knot : mm between knots; details are about twice as large.
    """

    values: Floats
    knot: float

    @classmethod
    def sample(cls, rng: np.random.Generator, knot: float, fields: int = 1) -> Lattice:
        """Draw `fields` independent fields over the whole block of space."""
        shape = [_knots(low, high, knot) for low, high in zip(LOW, HIGH, strict=True)]
        # A B-spline averages the noise: over all positions, the squared weights add up to 151/315 an axis.
        scale = np.float32((315 / 151) ** 1.5)
        return cls(rng.standard_normal((fields, *shape), dtype=np.float32) * scale, knot)

    def at(self, z: Floats, y: Floats, x: Floats) -> Floats:
        """The fields on the grid of three axes given in mm: (fields, len(z), len(y), len(x))."""
        bz, by, bx = (
            _weights(np.asarray(axis, dtype=np.float32).tobytes(), k, self.knot) for k, axis in enumerate((z, y, x))
        )
        fields, nz, ny, nx = self.values.shape
        planes = (bz @ self.values.reshape(fields, nz, ny * nx)).reshape(-1, ny, nx)
        smooth = by @ (planes @ bx.T)
        return np.asarray(smooth.reshape(fields, len(z), len(y), len(x)), dtype=np.float32)

    def at_points(self, points: NDArray[np.floating[Any]]) -> Floats:
        """The fields at single points, (n, 3) as (z, y, x) in mm: (fields, n)."""
        shape = self.values.shape[1:]
        index, weights = [], []
        for k in range(3):
            first, w = _basis(points[:, k].astype(np.float64), k, self.knot, shape[k])
            index.append(first[:, None] + np.arange(4))
            weights.append(w)
        (iz, iy, ix), (wz, wy, wx) = index, weights
        corners = self.values[:, iz[:, :, None, None], iy[:, None, :, None], ix[:, None, None, :]]
        return np.asarray(np.einsum("fnzyx,nz,ny,nx->fn", corners, wz, wy, wx), dtype=np.float32)


@lru_cache(maxsize=512)
def _weights(axis: bytes, k: int, knot: float) -> Floats:
    """How much each knot counts at each of the float32 positions along axis `k`: (positions, knots)."""
    at = np.frombuffer(axis, dtype=np.float32).astype(np.float64)
    knots = _knots(LOW[k], HIGH[k], knot)
    first, four = _basis(at, k, knot, knots)
    weights = np.zeros((len(at), knots), dtype=np.float32)
    weights[np.arange(len(at))[:, None], first[:, None] + np.arange(4)] = four
    return weights


def _basis(at: NDArray[np.float64], k: int, knot: float, knots: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The first of the four knots that count at each position, and how much each of the four does: (n,) and (n, 4)."""
    t = np.clip((at - LOW[k]) / knot, 0, knots - 4 - 1e-6)
    first = np.floor(t).astype(np.int64)
    u = t - first
    cubic = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    return first, np.stack(cubic, axis=1) / 6


def _knots(low: float, high: float, knot: float) -> int:
    return int(np.ceil((high - low) / knot)) + 4
