"""The contract as a test that users run on their own localizer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_boxes, boxes_to_mask
from medloc_lib.localizer.contract import inputs_of
from medloc_lib.sample import TRUTH, Detections, Sample

SEEDS = ("random_state", "seed")
"""Names under which a localizer takes its seed."""


def check_localizer(localizer: Any, samples: Sequence[Sample] | None = None) -> None:
    """See whether a localizer keeps the contract; silent if it does.

    It is cloned, fitted, asked, pickled and asked again. Checked: parameters are stored untouched and survive `clone`
    and `fit`; `fit` gives the localizer back; `predict` gives one `Detections` of the right dimension per sample, none
    for no sample, and for each image the same whatever else is asked; nothing that came in is changed; the same seed
    gives the same answer; the answer does not depend on fields that were not declared in `inputs`, the truth among
    them; a pickled copy answers alike; `score` is between 0 and 1.

    Parameters
    ----------
    localizer : a `Localizer`, or a scikit-learn pipeline that ends in one. It is left as it is.
    samples : at least four with known boxes, at least one of them not empty; by default twelve small 2-D pictures with
        channels "T1" and "FLAIR" and two classes are made.

    Raises
    ------
    InputError
        With one line per broken rule, and what to do about it.

    Examples
    --------
    >>> from medloc_lib.localizer import MeanBoxLocalizer
    >>> check_localizer(MeanBoxLocalizer())
    """
    samples = _toys() if samples is None else list(samples)
    boxes = [s.boxes for s in samples if s.boxes is not None]
    if not 4 <= len(samples) == len(boxes) or not any(map(len, boxes[::2])):
        raise InputError("needs at least four samples with known boxes, the first, third, … not all of them empty")
    check = _Check(type(localizer).__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _run(check, localizer, samples)
    if check.failures:
        raise InputError(f"{check.name} does not keep the contract:\n" + "\n".join(f"- {f}" for f in check.failures))


class _Check:
    def __init__(self, name: str) -> None:
        self.name = name
        self.failures: list[str] = []

    def that(self, holds: bool, failure: str) -> None:
        if not holds:
            self.failures.append(failure)

    @contextmanager
    def step(self, what: str, hint: str) -> Iterator[None]:
        """Turn whatever is raised into a failure of this step."""
        try:
            yield
        except (Exception, SystemExit) as error:  # the user's own code: anything may come
            self.failures.append(f"{what} raised {type(error).__name__}: {error}. {hint}")


def _run(check: _Check, localizer: Any, samples: list[Sample]) -> None:
    inputs: tuple[str, ...] = ("image",)
    with check.step("reading inputs", 'Write a tuple of field names, such as inputs = ("image", "report").'):
        inputs = inputs_of(localizer)
        samples[0].only(inputs)
    with check.step("clone", "Store every argument of __init__ under its own name, unchanged, and do nothing else."):
        _parameters(check, localizer)
    if check.failures:
        return
    train, test = samples[::2], samples[1::2]
    stripped = [s.only(inputs) for s in test]
    fitted = _seeded(localizer)
    before = _parameters_text(fitted)
    with check.step("fit", "It is called as fit(samples, validation=samples) and as fit(samples)."):
        with _unchanged(check, "fit", train):
            result = fitted.fit(train)
        check.that(result is fitted, "fit must give back the localizer itself: end it with `return self`")
        check.that(
            _parameters_text(fitted) == before,
            "fit changes a parameter: put what it learns in an attribute of another name that ends in _",
        )
    if not hasattr(localizer, "steps"):
        with check.step("fit with validation", "Take it as a keyword: fit(self, samples, y=None, *, validation=None)."):
            _seeded(localizer).fit(train, validation=test)
    if check.failures:
        return
    found: list[Detections] = []
    with check.step("predict", f"It sees only {', '.join(inputs)} (and channels, spacing, affine), one list in."):
        with _unchanged(check, "predict", stripped):
            found = fitted.predict(stripped)
        _answers(check, found, test)
    if check.failures:
        return
    _same_answers(check, localizer, fitted, train, test, stripped, found)
    with check.step("score", "Leave it out: Localizer has one."):
        score = fitted.score(test)
        fine = np.isnan(score) or 0 <= score <= 1
        check.that(bool(fine), f"score must be a number from 0 to 1; got {score!r}")


def _parameters(check: _Check, localizer: Any) -> None:
    from sklearn.base import clone

    copy = clone(localizer)
    check.that(
        _parameters_text(copy) == _parameters_text(localizer),
        "clone has other parameters: store every argument of __init__ under its own name, unchanged",
    )
    copy.set_params(**copy.get_params())


def _answers(check: _Check, found: Any, test: list[Sample]) -> None:
    if not isinstance(found, list) or not all(isinstance(d, Detections) for d in found):
        got = sorted({type(d).__name__ for d in found}) if isinstance(found, list) else type(found).__name__
        check.that(False, f"predict must give a list of Detections; got {got}")
        return
    check.that(len(found) == len(test), f"predict must give one Detections per sample: {len(found)} for {len(test)}")
    for sample, detections in zip(test, found, strict=False):
        wanted = 2 * sample.ndim
        if len(detections) and detections.boxes.shape[1] != wanted:
            check.that(False, f"boxes of a {sample.ndim}-D sample have {wanted} numbers; got {detections.boxes.shape}")
            return
    highest = max((int(d.labels.max(initial=-1)) for d in found if d.labels is not None), default=-1)
    classes = max(len(s.classes) for s in test)
    if classes:
        check.that(highest < classes, f"labels index the {classes} classes; got {highest}")


def _same_answers(
    check: _Check,
    localizer: Any,
    fitted: Any,
    train: list[Sample],
    test: list[Sample],
    stripped: list[Sample],
    found: list[Detections],
) -> None:
    def compare(what: str, hint: str, answer: Callable[[], list[Detections]], expected: list[Detections]) -> None:
        with check.step(what, hint):
            check.that(_equal(answer(), expected), f"{what} gives another answer. {hint}")

    def again() -> list[Detections]:
        return list(_seeded(localizer).fit(train).predict(stripped))

    def pickled() -> list[Detections]:
        import cloudpickle

        return list(cloudpickle.loads(cloudpickle.dumps(fitted)).predict(stripped))

    others = [_other_truth(s) for s in test]
    compare("predict on no sample", "Give [] for [].", lambda: fitted.predict([]), [])
    compare(
        "predict a second time", "It must not learn or draw without a seed.", lambda: fitted.predict(stripped), found
    )
    compare(
        "predict of one image at a time",
        "What is found in an image may not depend on the other images in the list.",
        lambda: [d for s in stripped for d in fitted.predict([s])],
        found,
    )
    compare(
        "predict on samples with their truth",
        "It reads what it did not declare: use only the fields in `inputs`; the truth may never be among them.",
        lambda: fitted.predict(test),
        found,
    )
    compare("predict on samples with another truth", "It reads the truth.", lambda: fitted.predict(others), found)
    compare("fit with the same seed", f"Take the seed as a parameter, {' or '.join(SEEDS)}.", again, found)
    compare("a pickled copy", "Keep no open files, locks or lambdas from elsewhere in the localizer.", pickled, found)


def _seeded(localizer: Any) -> Any:
    """A clone in which every seed is 0."""
    from sklearn.base import clone

    return seed_localizer(clone(localizer), 0)


def seed_localizer(localizer: Any, seed: int) -> Any:
    """Set every parameter named `random_state` or `seed`, also inside a pipeline. Gives the localizer back."""
    return localizer.set_params(**dict.fromkeys(seed_parameters(localizer), seed))


def seed_parameters(localizer: Any) -> list[str]:
    """Names of the parameters that take a seed."""
    return [name for name in localizer.get_params() if name.rsplit("__", 1)[-1] in SEEDS]


def _parameters_text(localizer: Any) -> dict[str, str]:
    """Parameters as text that shows what they hold."""
    return {name: _text(value) for name, value in localizer.get_params().items()}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(k)}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.tobytes()!r}"
    plain = value is None or isinstance(value, bool | int | float | str | np.generic)
    return repr(value) if plain else type(value).__qualname__  # the repr of others may hold their address


@contextmanager
def _unchanged(check: _Check, what: str, samples: list[Sample]) -> Iterator[None]:
    """Samples may not be changed, nor their list."""
    identities, images = [id(s) for s in samples], [s.image.copy() for s in samples]
    yield
    same = identities == [id(s) for s in samples] and all(
        np.array_equal(s.image, image) for s, image in zip(samples, images, strict=True)
    )
    check.that(same, f"{what} changes the samples that it was given: work on a copy (Sample.replace)")


def _other_truth(sample: Sample) -> Sample:
    """The same picture; everything that holds the answer is gone or says something else."""
    far = [[float(n - 1) for n in sample.shape] + [float(n) for n in sample.shape]]
    return sample.replace(
        **dict.fromkeys(TRUTH - {"boxes", "labels", "ignore", "layers"}), boxes=far, labels=None, ignore=None, layers={}
    )


def _equal(a: Any, b: Sequence[Detections]) -> bool:
    """Whether boxes, scores and labels are the same, to a rounding error of float32."""
    return len(a) == len(b) and all(
        x.boxes.shape == y.boxes.shape
        and np.array_equal(np.asarray(x.labels), np.asarray(y.labels))
        and np.allclose(x.boxes, y.boxes, rtol=1e-3, atol=1e-2)
        and np.allclose(np.asarray(x.scores), np.asarray(y.scores), rtol=1e-3, atol=1e-4)
        for x, y in zip(a, b, strict=True)
        if len(x) or len(y)
    )


def _toys() -> list[Sample]:
    """Twelve noisy pictures of two sizes, with a bright or a brighter rectangle in most."""
    rng = np.random.default_rng(0)
    samples = []
    for i in range(12):
        rows, cols = ((48, 40), (40, 48))[i % 3 == 0]
        image = rng.normal(0, 1, (2, rows, cols)).astype(np.float32)
        image[:, 4:-4, 4:-4] += 20
        boxes, labels = [], []
        for k in range(0 if i % 4 == 3 else 1 + i % 2):
            row, col = rng.integers(6, 16) + 14 * k, rng.integers(6, 24)
            height, width = rng.integers(5, 10, 2)
            label = int(rng.integers(2))
            image[1, row : row + height, col : col + width] += (10, 16)[label]
            boxes.append([row, col, row + height, col + width])
            labels.append(label)
        samples.append(
            Sample(
                image,
                channels=("T1", "FLAIR"),
                spacing=(1.0, 1.0),
                boxes=as_boxes(boxes, ndim=2),
                labels=np.asarray(labels, dtype=np.int64),
                classes=("dim", "bright"),
                mask=boxes_to_mask(boxes, (rows, cols), values=np.asarray(labels) + 1) if boxes else None,
                id=f"toy-{i}",
                group=f"patient-{i // 2}",
            )
        )
    return samples
