"""The contract with scikit-learn, the two first localizers, and that check_localizer finds what is broken."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.localizer import (
    FunctionLocalizer,
    Localizer,
    MeanBoxLocalizer,
    Preprocess,
    ThresholdLocalizer,
    any_class,
    as_localizer,
    check_localizer,
    inputs_of,
)
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample


def pictures(n=8, *, ndim=2, seed=0, side=32, contrast=20.0, channels=("T1", "FLAIR")):
    """A grey body in the dark with one bright block on the last channel; every fourth picture has none."""
    rng = np.random.default_rng(seed)
    samples = []
    for i in range(n):
        shape = (side,) * ndim
        image = rng.normal(0, 1, (len(channels), *shape)).astype(np.float32)
        image[(slice(None), *(slice(4, -4),) * ndim)] += 30
        boxes = []
        if i % 4 != 3:
            start = rng.integers(6, side - 14, ndim)
            stop = start + rng.integers(4, 8, ndim)
            image[(-1, *map(slice, start, stop))] += contrast
            boxes.append([*start, *stop])
        samples.append(
            Sample(
                image,
                channels,
                boxes=np.reshape(boxes, (-1, 2 * ndim)),
                classes=("lesion",),
                id=f"{i}",
                group=f"p{i // 2}",
            )
        )
    return samples


def halved(sample):
    return sample.replace(image=sample.image / 2)


def inverted(sample):
    return sample.replace(image=-sample.image)


# scikit-learn's machinery


def test_clone_keeps_parameters_and_drops_what_was_learned():
    fitted = ThresholdLocalizer("T1", threshold=2.5).fit(pictures())
    copy = clone(fitted)
    assert copy.get_params() == {"channel": "T1", "bright": True, "threshold": 2.5, "min_size": None}
    assert not hasattr(copy, "threshold_")
    assert repr(copy) == "ThresholdLocalizer(channel='T1', threshold=2.5)"


def test_unknown_parameter_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no parameter 'treshold'; it has: bright, channel, min_size, threshold"):
        ThresholdLocalizer().set_params(treshold=1)


def test_init_with_star_args_is_refused():
    class Loose(Localizer):
        def __init__(self, *parts):
            self.parts = parts

        def predict(self, samples):
            return []

    with pytest.raises(InputError, match=r"not take \*args"):
        Loose().get_params()


def test_a_localizer_in_a_localizer_shows_and_takes_inner_parameters():
    class Twice(Localizer):
        def __init__(self, inner):
            self.inner = inner

        def predict(self, samples):
            return self.inner.predict(samples)

    outer = Twice(ThresholdLocalizer())
    assert outer.set_params(inner__threshold=4).get_params()["inner__threshold"] == 4
    assert clone(outer).inner is not outer.inner


def test_pipeline_predicts_as_its_parts_do():
    train, test = pictures(seed=1), pictures(seed=2)
    pipe = Pipeline([("pre", Preprocess(halved)), ("loc", ThresholdLocalizer())]).fit(train)
    alone = ThresholdLocalizer().fit([halved(s) for s in train])
    for a, b in zip(pipe.predict(test), alone.predict([halved(s) for s in test]), strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
    assert pipe.score(test) == alone.score([halved(s) for s in test])
    assert pipe.score(test) > 0.9


def test_pipeline_takes_one_that_learns_nothing_and_one_that_has_not_yet_is_told():
    class Nothing(Localizer):
        def fit(self, samples, y=None, *, validation=None):
            return self

        def predict(self, samples):
            return [Detections.none() for _ in samples]

    test = pictures()
    assert len(Pipeline([("pre", Preprocess(halved)), ("loc", Nothing())]).fit(test).predict(test)) == len(test)
    with pytest.raises(InputError, match=r"not fitted: call fit\(samples\) first"):
        Pipeline([("pre", Preprocess(halved)), ("loc", ThresholdLocalizer())]).predict(test)


def test_pipeline_step_matters():
    """Inverted, bright blocks are dark: the same localizer must miss them, and its dark twin must not."""
    train = pictures(12)
    assert (
        Pipeline([("pre", Preprocess(inverted)), ("loc", ThresholdLocalizer(threshold=2.5))]).fit(train).score(train)
        < 0.2
    )
    dark = Pipeline([("pre", Preprocess(inverted)), ("loc", ThresholdLocalizer(bright=False))])
    assert dark.fit(train).score(train) > 0.9


def test_grid_search_over_patients():
    samples = pictures(16)
    search = GridSearchCV(
        Pipeline([("pre", Preprocess(halved)), ("loc", ThresholdLocalizer())]),
        {"loc__channel": ["T1", "FLAIR"], "pre__function": [halved, inverted]},
        cv=GroupKFold(4),
        error_score="raise",
    ).fit(samples, groups=[s.group for s in samples])
    assert search.best_params_["loc__channel"] == "FLAIR"
    assert search.best_params_["pre__function"] is halved
    assert search.best_score_ > 0.9
    assert inputs_of(search) == ("image",)
    assert len(search.predict(samples)) == 16


def test_preprocess_must_give_samples():
    with pytest.raises(InputError, match="must give a Sample; it gave ndarray"):
        Preprocess(lambda s: s.image).transform(pictures(1))


def test_score_is_where_not_what():
    """A localizer that knows no kinds is not punished for it; its AP over classes would be."""
    samples = [
        s.replace(labels=np.full(len(s.boxes), i % 3), classes=("a", "b", "c")) for i, s in enumerate(pictures(12))
    ]
    model = ThresholdLocalizer().fit(samples)
    assert model.score(samples) > 0.9
    assert average_precision(samples, model.predict(samples), iou=0.3).mean < 0.5
    truth, found = any_class(samples, model.predict(samples))
    assert model.score(samples) == average_precision(truth, found, iou=0.3).mean


# The two first localizers


@pytest.mark.parametrize("ndim", [2, 3])
def test_threshold_finds_bright_blocks(ndim):
    train, test = pictures(8, ndim=ndim, seed=1), pictures(8, ndim=ndim, seed=2)
    model = ThresholdLocalizer().fit(train)
    assert model.score(test) > 0.9
    assert model.n_parameters_ == 2
    best = model.predict(test)[0]
    np.testing.assert_array_equal(best.boxes[best.scores.argmax()], test[0].boxes[0])


def test_threshold_score_is_mean_excess():
    """Against a hand count: foreground 10, 12, 14, 16, 18 (median 14, MAD 2), so z of 44 is 30 / 2.9652."""
    image = np.zeros((1, 3, 8))
    image[0, 0, :5] = 10, 12, 14, 16, 18
    image[0, 2, 4:6] = 14, 44
    found = ThresholdLocalizer(threshold=3, min_size=0).fit([Sample(image, boxes=[])]).predict([Sample(image)])[0]
    foreground = np.array([10, 12, 14, 16, 18, 14, 44])
    mad = np.median(np.abs(foreground - 14))
    np.testing.assert_allclose(found.boxes, [[2, 5, 3, 6]])
    np.testing.assert_allclose(found.scores, [30 / (1.4826 * mad) - 3], rtol=1e-5)


def test_threshold_chooses_on_validation_if_given():
    """Train says: everything over z = 5 (faint blocks are lost). Validation has only faint blocks."""
    train, faint = pictures(8, contrast=60, seed=1), pictures(8, contrast=4.5, seed=2)
    assert ThresholdLocalizer().fit(train, validation=faint).threshold_ < ThresholdLocalizer().fit(train).threshold_


def test_min_size_is_in_mm():
    image = np.zeros((1, 20, 20), dtype=np.float32)
    image[0, 4:16, 4:16] = 10 + np.arange(144).reshape(12, 12) % 3
    image[0, 6:8, 6:8] = 100  # side 2 pixels
    sample = Sample(image, spacing=(2.0, 2.0))
    for least, expected in [(4.0, 1), (4.1, 0)]:
        model = ThresholdLocalizer(threshold=5, min_size=least).fit([sample.replace(boxes=[])])
        assert len(model.predict([sample])[0]) == expected


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_threshold_on_a_flat_picture_finds_nothing(value):
    model = ThresholdLocalizer().fit(pictures())
    assert len(model.predict([Sample(np.full((1, 9, 9), value))])[0]) == 0


def test_threshold_without_any_box_warns_and_still_answers():
    healthy = [s.replace(boxes=[], labels=None, ignore=None) for s in pictures(4)]
    with pytest.warns(MedlocWarning, match="no box to learn from"):
        model = ThresholdLocalizer().fit(healthy)
    assert len(model.predict(healthy)) == 4


def test_threshold_on_another_channel_name():
    samples = pictures(channels=("R",))
    assert ThresholdLocalizer().fit(samples).score(samples) > 0.9
    with pytest.raises(InputError, match="no channel 'PET'"):
        ThresholdLocalizer("PET").fit(samples)


@pytest.mark.parametrize("model", [ThresholdLocalizer(), MeanBoxLocalizer()])
def test_nobody_looked(model):
    with pytest.raises(InputError, match="none with known boxes"):
        model.fit([s.replace(boxes=None) for s in pictures(3)])
    with pytest.raises(InputError, match="not fitted"):
        clone(model).predict(pictures(1))
    model.fit([*pictures(4), pictures(1)[0].replace(boxes=None)])  # some known is enough


@pytest.mark.parametrize("ndim", [2, 3])
def test_mean_box_of_each_class(ndim):
    image = np.zeros((1, *(10,) * ndim))
    one, other, third = [1] * ndim + [3] * ndim, [3] * ndim + [7] * ndim, [0] * ndim + [9] * ndim
    train = [
        Sample(image, boxes=[one, third], labels=[0, 1], classes=("a", "b")),
        Sample(image, boxes=[other, third], labels=[0, 0], ignore=[False, True], classes=("a", "b")),
        Sample(image, boxes=np.zeros((0, 2 * ndim)), classes=("a", "b")),
        Sample(image, boxes=[one], labels=[0], classes=("a", "b")),
    ]
    found = MeanBoxLocalizer().fit(train).predict([Sample(np.zeros((1, *(20,) * ndim)))])[0]
    np.testing.assert_allclose(found.boxes[0], 2 * np.mean([one, other, one], axis=0))
    np.testing.assert_allclose(found.boxes[1], 2 * np.asarray(third))
    np.testing.assert_allclose(found.scores, [3 / 4, 1 / 4])
    np.testing.assert_array_equal(found.labels, [0, 1])


def test_mean_box_without_any_box_warns_and_finds_nothing():
    healthy = [s.replace(boxes=[], labels=None, ignore=None) for s in pictures(3, ndim=3, side=24)]
    with pytest.warns(MedlocWarning, match="find nothing"):
        model = MeanBoxLocalizer().fit(healthy)
    assert [d.boxes.shape for d in model.predict(healthy)] == [(0, 6)] * 3


def test_mean_box_keeps_dimensions_apart():
    flat, deep = pictures(1), pictures(1, ndim=3, side=24)
    with pytest.raises(InputError, match="got both"):
        MeanBoxLocalizer().fit([*flat, *deep])
    with pytest.raises(InputError, match="fitted on 2-D"):
        MeanBoxLocalizer().fit(flat).predict(deep)


# Functions


def test_function_gives_mask_label_map_or_detections():
    image = np.zeros((2, 6, 8))
    image[1, 1:3, 2:6] = 2
    image[1, 4, 0] = 1
    sample = Sample(image, ("T1", "FLAIR"))
    labels = as_localizer(lambda picture: picture.astype(int)).predict([sample])[0]
    np.testing.assert_array_equal(labels.boxes, [[4, 0, 5, 1], [1, 2, 3, 6]])
    np.testing.assert_array_equal(labels.labels, [0, 1])
    np.testing.assert_allclose(labels.scores, [1 / 48, 8 / 48])
    mask = as_localizer(lambda picture: picture > 1).predict([sample])[0]
    np.testing.assert_array_equal(mask.boxes, [[1, 2, 3, 6]])
    whole = as_localizer(lambda image: Detections([[0, 0, len(image), 1]]), channel="all").predict([sample])[0]
    np.testing.assert_array_equal(whole.boxes, [[0, 0, 2, 1]])
    assert len(as_localizer(lambda picture: picture > 0, channel="T1").predict([sample])[0]) == 0


def test_function_as_decorator_with_searched_parameter():
    @as_localizer
    def bright(picture, level=1000):
        return picture > level

    search = GridSearchCV(bright, {"params": [{"level": 45}, {"level": 60}]}, cv=GroupKFold(2), error_score="raise")
    samples = pictures(8)
    search.fit(samples, groups=[s.group for s in samples])
    assert search.best_params_ == {"params": {"level": 45}}
    assert isinstance(bright, FunctionLocalizer)
    assert as_localizer(max, level=3).params == {"level": 3}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda p: p[:3] > 0,
            r"a mask of the image's shape \(32, 32\), or Detections; got an array of shape \(3, 32\)",
        ),
        (lambda p: None, "got NoneType"),
        (lambda p: p / 7, "must hold whole numbers"),
        (lambda p: np.full(p.shape, -1), "negative values"),
    ],
)
def test_function_that_gives_something_else(function, message):
    with pytest.raises(InputError, match=message):
        as_localizer(function).predict(pictures(1))


def test_function_cannot_change_the_picture():
    def spoil(picture):
        picture += 1
        return picture > 0

    with pytest.raises(ValueError, match="read-only"):
        as_localizer(spoil).predict(pictures(1))


# check_localizer


@pytest.mark.parametrize(
    "localizer",
    [
        ThresholdLocalizer(),
        ThresholdLocalizer("T1", bright=False, threshold=1.5),
        MeanBoxLocalizer(),
        as_localizer(lambda picture: picture > 30),
        Pipeline([("pre", Preprocess(halved)), ("loc", ThresholdLocalizer())]),
    ],
)
def test_good_localizers_pass(localizer):
    check_localizer(localizer)
    if not isinstance(localizer, FunctionLocalizer):
        check_localizer(localizer, pictures(6, ndim=3, side=24) if "T1" not in repr(localizer) else pictures(6))


def test_check_leaves_the_localizer_alone():
    model = ThresholdLocalizer()
    check_localizer(model)
    assert vars(model) == {"channel": None, "bright": True, "threshold": None, "min_size": None}


class Fine(Localizer):
    """Keeps the contract; each class below breaks one rule of it."""

    def __init__(self, side=4):
        self.side = side

    def fit(self, samples, y=None, *, validation=None):
        self.start_ = np.mean([s.boxes[:, :2].mean(axis=0) for s in samples if len(s.boxes)], axis=0)
        return self

    def predict(self, samples):
        return [Detections([[*self.start_, *(self.start_ + self.side)]]) for _ in samples]


class ChangesParameter(Fine):
    def fit(self, samples, y=None, *, validation=None):
        self.side = 5
        return super().fit(samples)


class GivesNothingBack(Fine):
    def fit(self, samples, y=None, *, validation=None):
        super().fit(samples)


class RenamesParameter(Fine):
    def __init__(self, side=4):
        self.side = list(range(side))


class NoValidation(Fine):
    def fit(self, samples, y=None):
        return super().fit(samples)


class GivesArrays(Fine):
    def predict(self, samples):
        return [d.boxes for d in super().predict(samples)]


class GivesOne(Fine):
    def predict(self, samples):
        return super().predict(samples)[:1]


class WrongDimension(Fine):
    def predict(self, samples):
        return [Detections([[0, 0, 0, 1, 1, 1]]) for _ in samples]


class UnknownClass(Fine):
    def predict(self, samples):
        return [Detections(d.boxes, labels=[7]) for d in super().predict(samples)]


class ReadsBoxes(Fine):
    def predict(self, samples):
        return [Detections(s.boxes) if s.boxes is not None else Detections.none() for s in samples]


class NeedsBoxes(Fine):
    def predict(self, samples):
        return [Detections(s.boxes.copy()) for s in samples]


class DeclaresTruth(Fine):
    inputs = ("image", "boxes")


class Moody(Fine):
    def predict(self, samples):
        return [Detections(d.boxes, np.random.default_rng().random(1)) for d in super().predict(samples)]


class UnseededFit(Fine):
    def fit(self, samples, y=None, *, validation=None):
        self.start_ = np.random.default_rng().random(2)
        return self


class LooksAtNeighbours(Fine):
    def predict(self, samples):
        return [Detections(d.boxes, [len(samples)]) for d in super().predict(samples)]


class FailsOnNone(Fine):
    def predict(self, samples):
        return super().predict(samples[:1]) + super().predict(samples)[1:] if samples[0] else []


class HoldsALock(Fine):
    def fit(self, samples, y=None, *, validation=None):
        import threading

        self.lock_ = threading.Lock()
        return super().fit(samples)


class WritesPixels(Fine):
    def predict(self, samples):
        samples[0].image[:] = 0
        return super().predict(samples)


class EmptiesList(Fine):
    def fit(self, samples, y=None, *, validation=None):
        super().fit(samples)
        samples.pop()
        return self


class Leaves(Fine):
    def predict(self, samples):
        raise SystemExit(3)


class OwnScore(Fine):
    def score(self, samples, y=None):
        return 101.0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (ChangesParameter, "fit changes a parameter"),
        (GivesNothingBack, "return self"),
        (RenamesParameter, "under its own name"),
        (NoValidation, "fit with validation raised TypeError"),
        (GivesArrays, "list of Detections; got .'ndarray'"),
        (GivesOne, "one Detections per sample: 1 for 6"),
        (WrongDimension, "boxes of a 2-D sample have 4 numbers"),
        (UnknownClass, "labels index the 2 classes; got 7"),
        (ReadsBoxes, "reads the truth|did not declare"),
        (NeedsBoxes, "It sees only image"),
        (DeclaresTruth, "holds the answer"),
        (Moody, "predict a second time gives another answer"),
        (UnseededFit, "fit with the same seed gives another answer"),
        (LooksAtNeighbours, "one image at a time gives another answer"),
        (FailsOnNone, "predict on no sample raised IndexError"),
        (HoldsALock, "a pickled copy raised"),
        (WritesPixels, "read-only"),
        (EmptiesList, "fit changes the samples"),
        (Leaves, "predict raised SystemExit: 3"),
        (OwnScore, "score must be a number from 0 to 1; got 101"),
    ],
)
def test_each_broken_rule_is_named(broken, message):
    check_localizer(Fine())
    with pytest.raises(InputError, match=message) as caught:
        check_localizer(broken())
    assert str(caught.value).startswith(f"{broken.__name__} does not keep the contract:")


def test_all_failures_are_listed_at_once():
    class Bad(Moody):
        def score(self, samples, y=None):
            return -1.0

    with pytest.raises(InputError) as caught:
        check_localizer(Bad())
    assert "second time" in str(caught.value)
    assert "score must be" in str(caught.value)


def test_check_wants_usable_samples():
    with pytest.raises(InputError, match="at least four samples"):
        check_localizer(Fine(), pictures(3))
    with pytest.raises(InputError, match="at least four samples"):
        check_localizer(Fine(), [s.replace(boxes=None) for s in pictures(4)])


def test_seed_parameter_is_set_by_the_check():
    class Seeded(Fine):
        def __init__(self, random_state=None):
            self.random_state = random_state
            self.side = 4

        def fit(self, samples, y=None, *, validation=None):
            self.start_ = np.random.default_rng(self.random_state).random(2)
            return self

    check_localizer(Seeded())


def test_plain_pickle_of_a_fitted_localizer():
    model = ThresholdLocalizer().fit(pictures())
    assert pickle.loads(pickle.dumps(model)).threshold_ == model.threshold_


def test_inputs_must_be_a_tuple():
    class Sloppy(Fine):
        inputs = "image"

    with pytest.raises(InputError, match="write \\('image',\\)"):
        inputs_of(Sloppy())
