"""More than one look, with localizers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from medloc_lib.deep.localizers import (
    EnsembleLocalizer,
    HeatmapLocalizer,
    ViewsLocalizer,
    load_model,
    save_model,
)
from medloc_lib.deep.localizers.ensemble import View, look, member_scores, merged, views
from medloc_lib.errors import InputError, ReadError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.localizer import Localizer, check_localizer
from medloc_lib.sample import Detections, Sample
from tests.deep.test_localizers import scene

TINY = HeatmapLocalizer(epochs=2, widths=(8, 12), batch=4)


class Bright(Localizer):
    """The box around what is over one half; a seed that moves it, and its score."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, samples, y=None, *, validation=None):
        self.fitted_ = True
        return self

    def predict(self, samples):
        boxes = [mask_to_boxes(s.image[0] > 0.5)[0] for s in samples]
        return [Detections(b + self.seed % 4, np.full(len(b), 0.9 - 0.2 * (self.seed % 4))) for b in boxes]


def picture(shape=(20, 30), box=(3, 4, 9, 16)):
    image = np.zeros((1, *shape), np.float32)
    half = len(shape)
    image[(0, *(slice(box[k], box[k + half]) for k in range(half)))] = 1
    return Sample(image, boxes=[box], spacing=(2.0,) * half)


@pytest.mark.parametrize("sample", [picture(), picture((12, 14, 16), (2, 3, 4, 6, 9, 13))], ids=["slices", "volumes"])
def test_boxes_come_back_from_every_view(sample):
    for view in views(tuple(range(-sample.ndim, 0)), (1.0, 2.0)):
        (found,) = Bright().predict([view.of(sample)])
        np.testing.assert_allclose(view.back(found, sample.shape).boxes, sample.boxes)


def test_a_view_shows_no_truth_and_keeps_the_size_in_mm():
    seen = View((-1,), 0.5).of(picture())
    assert seen.boxes is None and seen.shape == (10, 15) and seen.spacing == (4.0, 4.0)
    np.testing.assert_array_equal(View((-2,)).of(picture()).image[0], picture().image[0, ::-1])


def test_a_stored_model_looks_at_several_views_without_a_fit(tmp_path):
    some = scene((40, 56), 4, 0)
    fitted = HeatmapLocalizer(epochs=2, widths=(8, 12), batch=4).fit(some)
    save_model(fitted, tmp_path / "model.safetensors")
    several = ViewsLocalizer(str(tmp_path)).fit([])
    assert several.n_parameters_ == fitted.n_parameters_
    wanted = merged(look(load_model(tmp_path), some, views()))
    for one, other in zip(several.predict(some), wanted, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
    with pytest.raises(ReadError, match="there is no such model"):
        ViewsLocalizer("nowhere").fit([])


def test_a_photograph_of_eight_bits_stays_one_at_another_size():
    seen = View(size=0.5).of(Sample(np.full((3, 8, 8), 201, np.uint8)))
    assert seen.image.dtype == np.uint8 and (seen.image == 201).all()


def test_views_that_agree_change_nothing():
    (found,) = ViewsLocalizer(Bright()).fit([picture()]).predict([picture()])
    np.testing.assert_allclose(found.boxes, [[3, 4, 9, 16]])
    np.testing.assert_allclose(found.scores, [0.9])
    assert len(views((-1, -2), (1.0, 0.9, 1.1))) == 12


def test_members_are_different_and_their_mean_is_the_answer():
    fitted = EnsembleLocalizer(Bright(), members=2, seed=1).fit([picture()])
    assert [one.seed for one in fitted.localizers_] == [2, 3]
    each = fitted.predict_each([picture()])
    (found,) = fitted.predict([picture()])
    weights = np.array([0.5, 0.3])
    middle = (weights[:, None] * [each[0][0].boxes[0], each[1][0].boxes[0]]).sum(0) / weights.sum()
    np.testing.assert_allclose(found.boxes[0], middle)
    np.testing.assert_allclose(found.scores, [0.4])
    assert merged(each)[0].boxes.shape == (1, 4)


def test_the_scores_of_the_members():
    fused = Detections([[0, 0, 10, 10], [20, 20, 30, 30]], labels=[0, 1])
    one = Detections([[0, 0, 10, 9], [0, 0, 9, 10], [20, 20, 30, 30]], scores=[0.3, 0.6, 0.8], labels=[0, 0, 0])
    told = member_scores(fused, [one, Detections.none(), Detections([[20, 21, 30, 30]], [0.5], [1])])
    np.testing.assert_allclose(told, [[0.6, 0, 0], [0, 0, 0.5]])
    assert member_scores(Detections.none(), [one]).shape == (0, 1)


def test_both_keep_the_contract():
    check_localizer(EnsembleLocalizer(TINY, members=2), scene((24, 32), 6, 0))
    check_localizer(ViewsLocalizer(TINY), scene((24, 32), 6, 0))


def test_a_real_network_in_three_dimensions_at_two_sizes():
    some = scene((16, 24, 24), 4, 0, side=(4, 6))
    fitted = ViewsLocalizer(TINY, flip=(-1, -2), sizes=(1.0, 1.25)).fit(some)
    assert all(np.isfinite(d.boxes).all() for d in fitted.predict(some))
    assert fitted.n_parameters_ == fitted.localizer_.n_parameters_
    assert len(look(fitted.localizer_, some, views())) == 2


def test_what_is_not_fitted_or_empty_is_refused():
    for one in (EnsembleLocalizer(Bright()), ViewsLocalizer(Bright())):
        with pytest.raises(InputError, match="not fitted"):
            one.predict([picture()])
    with pytest.raises(InputError, match="a member or more"):
        EnsembleLocalizer(Bright(), members=0).fit([picture()])


# Fine-tuning


def test_fine_tuning_begins_where_the_other_ended():
    some = scene((24, 32), 8, 0)
    source = TINY.__class__(**{**TINY.get_params(), "epochs": 4}).fit(some)
    before = {name: w.clone() for name, w in source.net_.state_dict().items()}
    tuned = HeatmapLocalizer(epochs=1, widths=(8, 12), batch=4, rate=1e-9, augment=None).fit(some, start=source)
    scratch = HeatmapLocalizer(epochs=1, widths=(8, 12), batch=4, rate=1e-9, augment=None).fit(some)
    for name, weight in tuned.net_.named_parameters():
        np.testing.assert_allclose(weight.detach(), before[name], atol=1e-5)
    assert tuned.history_.epochs[0].loss < scratch.history_.epochs[0].loss
    assert all((source.net_.state_dict()[name] == w).all() for name, w in before.items())


def test_another_network_is_no_start():
    some = scene((24, 32), 4, 0)
    source = HeatmapLocalizer(epochs=1, widths=(8, 12), batch=4).fit(some)
    with pytest.raises(InputError, match="same network"):
        HeatmapLocalizer(epochs=1, widths=(8, 16), batch=4).fit(some, start=source)
    with pytest.raises(InputError, match="start is not fitted"):
        TINY.__class__(widths=(8, 12)).fit(some, start=HeatmapLocalizer(widths=(8, 12)))
    two = scene((24, 32), 4, 0, channels=2)
    named = [s.replace(channels=("a", "b")) for s in two]
    first = HeatmapLocalizer(channels=("a",), epochs=1, widths=(8, 12), batch=4).fit(named)
    with pytest.raises(InputError, match="start looks at a; this one at b"):
        HeatmapLocalizer(channels=("b",), epochs=1, widths=(8, 12), batch=4).fit(named, start=first)
