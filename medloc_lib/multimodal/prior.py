"""A detector whose classes are judged again by what the patient's blood says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.errors import InputError
from medloc_lib.localizer import Localizer
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.localizer.first import looked_at
from medloc_lib.metrics import average_precision
from medloc_lib.multimodal.fusion import logistic
from medloc_lib.multimodal.patients import markers
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float64]

RAREST = 1e-4
"""Added to each probability: no marker rules a class out altogether."""


class EvidenceLocalizer(Localizer):
    """A heat-map detector whose scores for each class are multiplied by how probable the blood makes that class.

    With s_c the detector's odds in a cell for class c, x the markers, and P(c | x) the probability that the patient has
    c at all, the new odds are s_c · (r_c / max r)^strength, with r_c = P(c | x) / P(c). That is Bayes' rule where
    picture and markers are independent given the class, but for the division by the largest r: evidence may take away
    here and not add, for a marker cannot make a spot. Classes then compete anew in each cell, so a find may change its
    class. A patient without markers keeps what the detector says.

    Parameters
    ----------
    detector : name or path of a stored model, or a `HeatmapLocalizer`, which is fitted first unless it is already.
    strengths : `fit` chooses among them by AP at IoU 0.3, mean of classes, on the validation samples; without any it
        takes the last.

    Attributes
    ----------
    strength_, models_, base_ : what was chosen; a logistic regression and the share of patients of each class, or None
        for classes that all have or nobody has.
    """

    inputs: ClassVar[tuple[str, ...]] = ("image", "tabular")

    def __init__(self, detector: Any = "brain_lesions_heatmap", strengths: Sequence[float] = (0.0, 0.5, 1.0)) -> None:
        self.detector = detector
        self.strengths = strengths

    def fit(self, samples: Sequence[Sample], y: None = None, *, validation: Sequence[Sample] | None = None) -> Self:
        """Learn which class the markers speak for, and on `validation` how much to trust them.

        Raises
        ------
        InputError
            If nobody looked at any of the samples.
        """
        known = [without_pixels(sample) for sample in looked_at(samples)]
        self.detector_ = self._fitted(samples, validation)
        classes = len(self.detector_.classes_)
        rows: dict[str, tuple[dict[str, float], set[int]]] = {}
        for sample in known:
            _, kinds = rows.setdefault(sample.group or sample.id, (markers(sample), set()))
            kinds.update(int(label) for label in np.asarray(sample.labels))
        tables = [(row, kinds) for row, kinds in rows.values() if row]
        self.columns_ = tuple(tables[0][0]) if tables else ()
        x = np.array([[row.get(c, np.nan) for c in self.columns_] for row, _ in tables])
        has = np.array([[c in kinds for c in range(classes)] for _, kinds in tables]).reshape(len(tables), classes)
        usable = [0 < column.sum() < len(column) and len(self.columns_) > 0 for column in has.T]
        self.models_ = [logistic().fit(x, has[:, c]) if usable[c] else None for c in range(classes)]
        self.base_ = [float(has[:, c].mean()) if usable[c] else None for c in range(classes)]
        self.n_parameters_ = int(self.detector_.n_parameters_) + sum(m[-1].coef_.size + 1 for m in self.models_ if m)
        self.strength_ = float(self.strengths[-1])
        if validation is not None and len(self.strengths) > 1:
            looked = list(looked_at(validation))
            truth = [without_pixels(sample) for sample in looked]
            scores = [average_precision(truth, self._predict(looked, s), iou=0.3).mean for s in self.strengths]
            self.strength_ = float(self.strengths[int(np.argmax(np.nan_to_num(scores)))])
        return self

    def predict(self, samples: Sequence[Sample]) -> list[Detections]:
        """What the detector finds, judged again.

        Raises
        ------
        InputError
            If it is not fitted.
        """
        if not hasattr(self, "strength_"):
            raise InputError("this EvidenceLocalizer is not fitted: call fit(samples) first")
        return self._predict(samples, self.strength_)

    def log_prior(self, sample: Sample) -> Floats:
        """log(r_c / max r) of each class, (classes,), at most 0; all 0 without markers."""
        row = markers(sample)
        if not row or not self.columns_:
            return np.zeros(len(self.models_))
        x = np.array([[row.get(name, np.nan) for name in self.columns_]])
        r = np.zeros(len(self.models_))
        for c, (model, base) in enumerate(zip(self.models_, self.base_, strict=True)):
            if model is not None and base is not None:
                r[c] = np.log(model.predict_proba(x)[0, 1] + RAREST) - np.log(base)
        return np.asarray(r - r.max())

    def _predict(self, samples: Sequence[Sample], strength: float) -> list[Detections]:
        detector = copy.copy(self.detector_)
        judge = detector.net_ = _Judged(self.detector_.net_)
        found: list[Detections] = []
        shifts = [tuple(strength * self.log_prior(samples[i])) for i in range(len(samples))]
        for shift, run in groupby(range(len(samples)), key=shifts.__getitem__):
            judge.shift = shift
            found += detector.predict([samples[i] for i in run])
        return found

    def _fitted(self, samples: Sequence[Sample], validation: Sequence[Sample] | None) -> HeatmapLocalizer:
        from sklearn.base import clone

        model: Any = self.detector
        if not isinstance(model, HeatmapLocalizer):
            model = load_model(model)
        elif not hasattr(model, "net_"):
            model = clone(model).fit(samples, validation=validation)
        if not isinstance(model, HeatmapLocalizer):
            raise InputError(f"the detector must be a heat-map detector; got {type(model).__name__}")
        return model


class _Judged(nn.Module):
    """A detector's network with something added to the logits of each class."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.shift: tuple[float, ...] = ()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        heat, extents = self.net(x)
        added = torch.tensor(self.shift, dtype=heat.dtype, device=heat.device)
        return heat + added.reshape(1, -1, *[1] * (heat.ndim - 2)), extents
