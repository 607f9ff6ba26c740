"""Clusters of candidates, and which of them healthy slices are rarely in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.classical.candidate_localizer import CandidateLocalizer, sample_of
from medloc_lib.classical.features.tables import Described, stack
from medloc_lib.classical.supervised import scaled
from medloc_lib.classical.unsupervised.anomaly import is_healthy
from medloc_lib.errors import InputError
from medloc_lib.geometry import clip, nms
from medloc_lib.sample import Detections, Sample

MOST = 15_000
"""Candidates that one run of k-means sees."""


class ClusterLocalizer(CandidateLocalizer):
    """Candidates in clusters; one is suspect as far as its cluster is rare in healthy slices.

    `fit` takes the candidates of all slices and their features, scaled and brought down to principal components, and
    groups them by k-means: no label is looked at. Then it counts, in each cluster, how many candidates come from
    healthy slices and how many from the others (`rarity`). That is all it is told: which slices are healthy, not where
    in the others a lesion is. It does so several times from other beginnings, and `predict` takes the mean.

    Parameters
    ----------
    clusters : k of k-means. components : of the features. runs : of k-means.
    overlap : IoU over which the less suspect of two boxes is dropped.
    candidates : a picture.
    cached : take the candidates and features of pictures that `features.load` has described from the cache.
    random_state : seed.

    Attributes
    ----------
    columns_ : names of the features. space_ : scaling and PCA, fitted. groups_ : (k-means, rarity of each cluster).

    References
    ----------
    S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Information Theory 28 (1982): k-means. What is told of
    bags (slices) and asked of their members (candidates): O. Maron and T. Lozano-Pérez, "A framework for
    multiple-instance learning", NIPS 1997.
    """

    def __init__(
        self,
        clusters: int = 256,
        *,
        components: int = 20,
        runs: int = 5,
        overlap: float = 0.1,
        candidates: int = 50,
        cached: bool = False,
        random_state: int = 0,
    ) -> None:
        self.clusters = clusters
        self.components = components
        self.runs = runs
        self.overlap = overlap
        self.candidates = candidates
        self.cached = cached
        self.random_state = random_state

    def fit(
        self,
        samples: Sequence[Sample | Described],
        y: None = None,
        *,
        validation: Sequence[Sample | Described] | None = None,
    ) -> Self:
        """Group the candidates of all slices that somebody looked at.

        Raises
        ------
        InputError
            If there are not both healthy and other slices, the candidates are fewer than the clusters or components, or
            a sample is a volume.
        """
        if min(self.clusters, self.components, self.runs) < 1:
            raise InputError(
                f"clusters, components and runs must be 1 or more; got {self.clusters}, {self.components}, {self.runs}"
            )
        known = [s for s in samples if sample_of(s).boxes is not None]
        free = [is_healthy(sample_of(s)) for s in known]
        if not any(free) or all(free):
            raise InputError(
                "needs healthy slices (an empty array of boxes) and others, to see where healthy ones are rare; got "
                f"{sum(free)} healthy and {len(free) - sum(free)} others"
            )
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA
        from sklearn.pipeline import make_pipeline

        table = stack(self._described(known))
        if len(table) < max(self.clusters, self.components):
            raise InputError(
                f"{self.clusters} clusters and {self.components} components need as many candidates; got {len(table)} "
                f"of {len(known)} slices"
            )
        self.columns_ = table.columns
        pca = PCA(min(self.components, len(self.columns_)), svd_solver="full")
        self.space_ = make_pipeline(scaled(), pca).fit(table.values)
        points, from_healthy = self.space_.transform(table.values), np.asarray(free)[table.image]
        self.groups_: list[tuple[Any, NDArray[np.float64]]] = []
        for run in range(self.runs):
            seed = self.random_state * self.runs + run
            some = np.random.default_rng(seed).permutation(len(points))[:MOST]
            groups = KMeans(self.clusters, n_init=1, random_state=seed).fit(points[some])
            self.groups_.append((groups, rarity(groups.predict(points), from_healthy, clusters=self.clusters)))
        self.n_parameters_ = self.runs * self.clusters * (pca.n_components_ + 1)
        return self

    def scores(self, values: ArrayLike) -> NDArray[np.float64]:
        """How rare the clusters of candidates with these features are in healthy slices, mean of the runs: (n,)."""
        rows = np.asarray(values)
        if len(rows) == 0:
            return np.zeros(0)
        points = self.space_.transform(rows)
        return np.asarray(np.mean([rare[groups.predict(points)] for groups, rare in self.groups_], axis=0))

    def _judged(self, item: Described) -> Detections:
        scores = self.scores(item.values)
        boxes = clip(item.boxes, item.sample.shape)
        best = nms(boxes, scores, threshold=self.overlap)
        return Detections(boxes[best], scores[best])


def rarity(cluster: ArrayLike, from_healthy: ArrayLike, *, clusters: int) -> NDArray[np.float64]:
    """How much rarer each cluster is in healthy slices than in the others: log of the ratio, float64 (clusters,).

    Each count begins at 1, so that a cluster of three, all from one slice, does not look certain.

    Parameters
    ----------
    cluster : int (n,), from 0. from_healthy : bool (n,).

    Examples
    --------
    >>> rarity([0, 0, 0, 1, 1, 1], [True, False, True, False, False, False], clusters=2).round(2)
    array([-0.41,  1.39])
    """
    groups, usual = np.asarray(cluster, dtype=np.int64), np.asarray(from_healthy, dtype=bool)
    others, healthy = (np.bincount(groups[part], minlength=clusters) + 1 for part in (~usual, usual))
    return np.asarray(np.log(others / healthy), dtype=np.float64)
