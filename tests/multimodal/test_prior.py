"""The detector that is judged again: the contract, Bayes' rule, and what it does without markers."""

from __future__ import annotations

import numpy as np
import pytest

import medloc_lib as ml
from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.errors import InputError
from medloc_lib.localizer.check import check_localizer
from medloc_lib.multimodal import EvidenceLocalizer
from medloc_lib.multimodal.prior import RAREST
from medloc_lib.sample import Sample

TINY = HeatmapLocalizer(widths=(4, 8), epochs=1, augment=None)


def toys(n=24, seed=0):
    """Pictures with a bright block; class 1 goes with a high marker."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        label = i % 2
        image = rng.normal(size=(1, 32, 32))
        image[0, 10:18, 12:20] += 8
        tabular = {"age": 50 + rng.normal(), "marker": 3 * label + rng.normal()}
        made.append(
            Sample(image, boxes=[[10, 12, 18, 20]], labels=[label], classes=("a", "b"), group=f"{i}", tabular=tabular)
        )
    return made


@pytest.fixture(scope="module")
def fitted():
    return EvidenceLocalizer(TINY).fit(toys())


def test_it_keeps_the_contract():
    check_localizer(EvidenceLocalizer(TINY))


def test_log_prior_is_bayes_rule(fitted):
    sample = toys(2, seed=5)[1]
    x = np.array([[sample.tabular["age"], sample.tabular["marker"]]])
    r = [np.log((m.predict_proba(x)[0, 1] + RAREST) / 0.5) for m in fitted.models_]
    np.testing.assert_allclose(fitted.log_prior(sample), np.array(r) - max(r))
    assert fitted.log_prior(sample)[1] == 0 > fitted.log_prior(sample)[0]


def test_odds_are_multiplied_and_classes_compete(fitted):
    sample = toys(2, seed=5)[1]
    for said, again in zip(fitted.detector_.predict([sample]), fitted.predict([sample]), strict=True):
        assert (again.heatmap <= said.heatmap + 1e-6).all()
    first = fitted.predict([sample])[0]
    assert (first.labels[first.scores.argmax()]) == 1


def test_without_markers_the_detector_stands(fitted):
    sample = toys(1)[0].replace(tabular={})
    said, again = fitted.detector_.predict([sample])[0], fitted.predict([sample])[0]
    np.testing.assert_array_equal(said.boxes, again.boxes)
    np.testing.assert_array_equal(said.scores, again.scores)


def test_the_strength_is_chosen_on_validation():
    honest = EvidenceLocalizer(TINY, strengths=(0.0, 1.0)).fit(toys(), validation=toys(8, seed=3))
    assert honest.strength_ in (0.0, 1.0)
    assert EvidenceLocalizer(TINY, strengths=(0.0, 0.5)).fit(toys()).strength_ == 0.5


def test_the_stored_detector_is_taken_by_name():
    samples = [ml.data.lesions.simulate(k, kind=kind) for k, kind in ((2, "mass"), (4, "plaque"), (6, "healthy"))]
    localizer = EvidenceLocalizer().fit(samples)
    assert localizer.detector_.classes_ == ("mass", "plaque", "infarct")
    assert localizer.models_[2] is None and len(localizer.predict(samples)) == 3


def test_what_is_wrong_is_said():
    with pytest.raises(InputError, match="fit"):
        EvidenceLocalizer(TINY).predict(toys(1))
    with pytest.raises(InputError, match="boxes=None"):
        EvidenceLocalizer(TINY).fit([Sample(np.zeros((1, 32, 32)))])
    with pytest.raises(InputError, match="heat-map detector; got OneBoxLocalizer"):
        EvidenceLocalizer("brain_lesions_one_box").fit(toys())
