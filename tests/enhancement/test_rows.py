"""The leaderboard's rows of lesson 02: each enhances FLAIR and nothing else, and learns a threshold after it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from medloc_lib.bench.named import enhancement as rows
from medloc_lib.bench.named import make
from medloc_lib.localizer import any_class
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Sample


def head(seed):
    """A bright disc in noisy air with one brighter square in it."""
    rng = np.random.default_rng(seed)
    place = np.indices((80, 80)) - 40
    signal = 200.0 * (np.hypot(*place) < 30)
    row, col = rng.integers(25, 48, 2)
    signal[row : row + 8, col : col + 8] = 330
    noise = rng.normal(0, 8, (2, 80, 80))
    flair = np.hypot(signal + noise[0], noise[1]).astype(np.float32)
    image = np.stack([rng.random((80, 80), dtype=np.float32), flair])
    return Sample(image, channels=("T1", "FLAIR"), boxes=[[row, col, row + 8, col + 8]], group=str(seed))


SAMPLES = [head(seed) for seed in range(4)]


@pytest.mark.parametrize("name", rows.ROWS)
def test_each_row_finds_what_is_plain_to_see(name):
    found = clone(make(name)).fit(SAMPLES[:2]).predict(SAMPLES[2:])
    score = average_precision(*any_class(SAMPLES[2:], found), iou=0.1).mean
    local = {"enhanced_clahe", "enhanced_laplacian", "enhanced_dog"}  # the rim of the disc becomes as bright
    assert score > 0.5 or name in local


def test_noise_is_that_of_the_air():
    assert rows.noise(SAMPLES[0]["FLAIR"]) == pytest.approx(8, rel=0.1)


def test_matching_keeps_the_first_training_sample_as_its_reference():
    step = rows.MatchFirst().fit(SAMPLES[:2])
    (made,) = step.transform(SAMPLES[3:])
    assert made.channels == ("FLAIR",)
    np.testing.assert_allclose(np.median(made.image), np.median(SAMPLES[0]["FLAIR"]), rtol=0.02)
    np.testing.assert_array_equal(made.boxes, SAMPLES[3].boxes)
