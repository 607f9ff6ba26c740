"""Biases of pseudo-labels, and what mends them: another share of lesions, other patients, another mean answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression

from medloc_lib.errors import InputError

Numbers = NDArray[np.float64]

EDGE = 1e-9  # probabilities are kept this far from 0 and 1


def prior_shift(
    probability: ArrayLike, prior: float, *, iterations: int = 1000, tolerance: float = 1e-8
) -> tuple[Numbers, float]:
    """Probabilities of the second class corrected for the share that it has among these items, and that share.

    The classifier learned where the share of lesions was `prior`; here it is unknown. Expectation: each probability is
    reweighted by the present guess of the share, p·s/prior against (1 - p)·(1 - s)/(1 - prior). Maximization: the share
    is the mean of the reweighted probabilities. The likelihood grows with each round. It is right where the classes
    themselves look the same on both sides and the probabilities were calibrated there.

    Parameters
    ----------
    probability : (n,), of the second class. prior : its share where the classifier learned, between 0 and 1.
    iterations : at most. tolerance : change of the share at which to stop.

    Returns
    -------
    Corrected probabilities, float64 (n,), and the share. Without items: the prior.

    Raises
    ------
    InputError
        If `prior` is not between 0 and 1, or a probability is not in 0 to 1.

    References
    ----------
    M. Saerens, P. Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a
    simple procedure", Neural Computation 14 (2002), equations 2.9.

    Examples
    --------
    Learned where half were lesions; of these ten, three look like one, and are then less likely to be one:

    >>> p, share = prior_shift([0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 0.5)
    >>> round(share, 3), p.round(3)[[0, 9]]
    (0.25, array([0.75 , 0.036]))
    """
    p = _probabilities(probability)
    if not 0 < prior < 1:
        raise InputError(f"prior must be between 0 and 1, the share of lesions among what was learned; got {prior}")
    share = float(prior)
    corrected = p
    if len(p) == 0:
        return p, share
    for _ in range(iterations):
        lesion, background = p * (share / prior), (1 - p) * ((1 - share) / (1 - prior))
        corrected = lesion / np.maximum(lesion + background, EDGE**2)
        before, share = share, float(corrected.mean())
        if abs(share - before) < tolerance:
            break
    return corrected, share


def density_ratio(values: ArrayLike, other: ArrayLike, *, strength: float = 0.001, most: float = 5.0) -> Numbers:
    """Importance weights: how much more common items like each of `values` are among the `other` ones.

    A logistic regression tells the two sets apart; the odds that an item is of the other set, times the ratio of their
    sizes, are the ratio of their densities. Weights over `most` are cut, for a few items would decide alone; then all
    are scaled to a mean of 1.

    Parameters
    ----------
    values : (n, columns), scaled. other : (m, columns).
    strength : inverse of the price on the weights of the regression; a strong classifier would tell any two sets apart.
    most : largest weight.

    Returns
    -------
    float64 (n,), mean 1. Where there is nothing on one side, or nothing differs, all are 1.

    References
    ----------
    M. Sugiyama and M. Kawanabe, "Machine learning in non-stationary environments" (2012), section 4.3; S. Bickel et
    al., "Discriminative learning under covariate shift", J. Machine Learning Research 10 (2009).

    Examples
    --------
    Small ones are common here, large ones there:

    >>> here, there = np.repeat([0.0, 1.0], [9, 1])[:, None], np.repeat([0.0, 1.0], [1, 9])[:, None]
    >>> weights = density_ratio(here, there, strength=10.0)
    >>> bool(weights[-1] > 5 * weights[0]), round(float(weights.mean()), 6)
    (True, 1.0)
    """
    x, far = np.atleast_2d(values), np.atleast_2d(other)
    if len(x) == 0 or len(far) == 0:
        return np.ones(len(x))
    both = np.concatenate([x, far])
    side = np.repeat([0, 1], [len(x), len(far)])
    told = LogisticRegression(C=strength, class_weight="balanced", max_iter=300, tol=1e-3).fit(both, side)
    weights = np.minimum(np.exp(np.clip(told.decision_function(x), -20, 20)), most)
    return np.asarray(weights / weights.mean())


def align(probability: ArrayLike, share: float, *, iterations: int = 60) -> Numbers:
    """Probabilities whose log odds are all moved by the same amount, so that their mean is `share`: float64 (n,).

    Distribution alignment: a classifier that is too fond of one class says so in the mean of its answers.

    Parameters
    ----------
    probability : (n,). share : wanted mean, between 0 and 1.

    Raises
    ------
    InputError
        If `share` is not between 0 and 1, or a probability is not in 0 to 1.

    References
    ----------
    D. Berthelot et al., "ReMixMatch: semi-supervised learning with distribution alignment and augmentation anchoring",
    ICLR 2020, section 3.1.

    Examples
    --------
    >>> align([0.9, 0.5, 0.5, 0.1], 0.25).round(2)
    array([0.64, 0.17, 0.17, 0.02])
    """
    p = np.clip(_probabilities(probability), EDGE, 1 - EDGE)
    if not 0 < share < 1:
        raise InputError(f"share must be between 0 and 1, the mean that is wanted; got {share}")
    odds = np.log(p / (1 - p))
    low, high = -50.0, 50.0
    for _ in range(iterations):  # the mean grows with the shift: halve the interval
        shift = (low + high) / 2
        mean = (1 / (1 + np.exp(-(odds + shift)))).mean() if len(p) else share
        low, high = (shift, high) if mean < share else (low, shift)
    return np.asarray(1 / (1 + np.exp(-(odds + (low + high) / 2))))


def _probabilities(values: ArrayLike) -> Numbers:
    p = np.asarray(values, dtype=np.float64).reshape(-1)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError("probabilities must be between 0 and 1; got others, or NaN")
    return p
