"""The contract that every method keeps, and what a scikit-learn pipeline needs around it.

scikit-learn is told what it asks for (`get_params`, `set_params`, tags), and not imported: that alone takes over a
second, which everyone who types ``import medloc_lib`` would wait for.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from medloc_lib.errors import InputError
from medloc_lib.metrics import average_precision
from medloc_lib.sample import Detections, Sample


class Parameters:
    """Parameters live in ``__init__`` and nowhere else, so that scikit-learn can read, set and clone them."""

    @classmethod
    def _names(cls) -> list[str]:
        if cls.__init__ is object.__init__:
            return []
        found = [p for p in inspect.signature(cls).parameters.values() if p.kind is not p.VAR_KEYWORD]
        if any(p.kind is p.VAR_POSITIONAL for p in found):
            raise InputError(f"{cls.__name__}.__init__ must name its parameters, not take *args: clone needs the names")
        return sorted(p.name for p in found)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; those of an estimator held in `name` as ``name__parameter`` too, if `deep`."""
        values: dict[str, Any] = {}
        for name in self._names():
            value = getattr(self, name)
            values[name] = value
            if deep and hasattr(value, "get_params") and not isinstance(value, type):
                values.update({f"{name}__{k}": v for k, v in value.get_params().items()})
        return values

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, as `get_params` gives them.

        Raises
        ------
        InputError
            If there is no parameter of that name.
        """
        for key, value in params.items():
            name, _, inner = key.partition("__")
            if name not in self._names():
                known = ", ".join(self._names()) or "none"
                raise InputError(f"{type(self).__name__} has no parameter {name!r}; it has: {known}")
            if inner:
                getattr(self, name).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """True, for scikit-learn would not run a pipeline otherwise: whoever learns something says by itself, in
        `predict`, that it has not yet."""
        return True

    def __repr__(self) -> str:
        signature = inspect.signature(type(self)).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params(deep=False).items()
            if not _same(value, signature[name].default)
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


class Localizer(Parameters, ABC):
    """A method that says what is where. Subclass it, write `predict`, and `fit` if it learns something.

    It is a scikit-learn estimator: parameters are set in ``__init__`` (stored as they came, nothing else done there),
    what `fit` learns goes to attributes that end in ``_``. So `clone`, `Pipeline` and `GridSearchCV` work on lists of
    samples.

    Attributes
    ----------
    inputs : names of the `Sample` fields that it may see in `predict`; the image with its channels, spacing and affine
        is always among them. The benchmark takes everything else away.
    n_parameters_ : how many numbers were learned, for the leaderboard; set by `fit` if at all.

    Examples
    --------
    >>> class Brightest(Localizer):
    ...     def __init__(self, side=2):
    ...         self.side = side
    ...
    ...     def predict(self, samples):
    ...         found = []
    ...         for sample in samples:
    ...             row, col = np.unravel_index(sample.image[0].argmax(), sample.shape)
    ...             found.append(Detections([[row, col, row + self.side, col + self.side]]))
    ...         return found
    >>> image = np.zeros((1, 6, 6))
    >>> image[0, 2:4, 3:5] = 1
    >>> truth = Sample(image, boxes=[[2, 3, 4, 5]])
    >>> Brightest().score([truth])
    1.0
    >>> Brightest(side=3)
    Brightest(side=3)
    """

    inputs: ClassVar[tuple[str, ...]] = ("image",)

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Learn from `samples`; make choices on `validation`, if given. Here: nothing to learn.

        Parameters
        ----------
        samples : with their truth. ``boxes=None`` in one means that nobody looked.
        y : not used; the truth is in the samples.
        validation : samples to choose by, or None.
        """
        return self

    @abstractmethod
    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """One `Detections` per sample, in the same order."""

    def score(self, samples: Sequence[Sample], y: None = None) -> float:
        """Average precision at IoU 0.3 of *where*, 0 to 1, whatever the class; NaN if no sample has a box.

        Classes are left out on both sides (`any_class`), as in the leaderboard's AP, so that a localizer that knows no
        kinds and one that does are measured alike. For the mean over classes call `metrics.average_precision`.

        Raises
        ------
        InputError
            If a sample has ``boxes=None``.
        """
        return average_precision(*any_class(samples, self.predict(samples)), iou=0.3).mean

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False))


class Preprocess(Parameters):
    """A step of a pipeline: a function from `Sample` to `Sample`, such as one that enhances the image.

    The function must keep truth and image in step: a crop has to move the boxes. It learns nothing.

    Parameters
    ----------
    function : Sample to Sample. Use `Sample.replace` inside.

    Examples
    --------
    >>> from sklearn.pipeline import Pipeline
    >>> from medloc_lib.localizer import MeanBoxLocalizer
    >>> half = Preprocess(lambda s: s.replace(image=s.image / 2))
    >>> Pipeline([("half", half), ("floor", MeanBoxLocalizer())]).steps[0][0]
    'half'
    >>> float(half.transform([Sample(np.ones((1, 2, 2)))])[0].image.max())
    0.5
    """

    def __init__(self, function: Callable[[Sample], Sample]) -> None:
        self.function = function

    def fit(self, samples: Sequence[Sample], y: None = None) -> Self:
        """Nothing to learn."""
        return self

    def transform(self, samples: Sequence[Sample]) -> list[Sample]:
        """The function's answer for each sample.

        Raises
        ------
        InputError
            If it gives something else than a `Sample`.
        """
        changed = [self.function(sample) for sample in samples]
        for result in changed:
            if not isinstance(result, Sample):
                raise InputError(f"a Preprocess function must give a Sample; it gave {type(result).__name__}")
        return changed

    def fit_transform(self, samples: Sequence[Sample], y: None = None) -> list[Sample]:
        """Same as `transform`."""
        return self.transform(samples)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type="transformer",
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            requires_fit=False,
        )


def any_class(samples: Sequence[Sample], detections: Sequence[Detections]) -> tuple[list[Sample], list[Detections]]:
    """Truth and detections with all classes made one, called "any": what is asked is only *where*.

    For scoring: the samples come without their pixels, which no score looks at.

    >>> truth = [Sample(np.zeros((1, 4, 4)), boxes=[[0, 0, 2, 2]], labels=[1], classes=("cyst", "mass"))]
    >>> samples, found = any_class(truth, [Detections([[0, 0, 2, 2]])])
    >>> samples[0].classes, average_precision(samples, found).mean
    (('any',), 1.0)
    """
    truth = []
    for sample in samples:
        labels = None if sample.boxes is None else np.zeros(len(sample.boxes), dtype=np.int64)
        truth.append(without_pixels(sample).replace(labels=labels, classes=("any",)))
    return truth, [Detections(d.boxes, d.scores, masks=d.masks, heatmap=d.heatmap) for d in detections]


def without_pixels(sample: Sample) -> Sample:
    """The sample with a blank image of the same shape that takes no memory, without mask and layers."""
    return sample.replace(image=np.broadcast_to(np.uint8(0), sample.image.shape), mask=None, layers={})


def inputs_of(estimator: Any) -> tuple[str, ...]:
    """What a localizer may see, also one inside a scikit-learn `Pipeline` (its last step) or search.

    >>> from sklearn.pipeline import Pipeline
    >>> from medloc_lib.localizer import MeanBoxLocalizer
    >>> inputs_of(Pipeline([("floor", MeanBoxLocalizer())]))
    ('image',)
    """
    if hasattr(estimator, "steps"):
        return inputs_of(estimator.steps[-1][1])
    if not hasattr(estimator, "inputs") and hasattr(estimator, "estimator"):
        return inputs_of(estimator.estimator)
    declared = getattr(estimator, "inputs", ("image",))
    if isinstance(declared, str):
        raise InputError(f"inputs must be a tuple of field names; got the string {declared!r}: write ({declared!r},)")
    return tuple(declared)


def _same(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default)
    except (TypeError, ValueError):  # arrays and the like
        return False
