"""Word embeddings: skip-gram with negative sampling, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from medloc_lib.errors import InputError
from medloc_lib.reports.tokens import Vocabulary

Floats = NDArray[np.float64]


def skip_pairs(numbers: Sequence[Sequence[int]], *, window: int = 3) -> NDArray[np.int64]:
    """Each word with each of its neighbours at most `window` places away, (n, 2); the fillers 0 and 1 are left out.

    >>> skip_pairs([[2, 3, 4]], window=1).tolist()
    [[2, 3], [3, 2], [3, 4], [4, 3]]
    """
    found = [
        (word, text[j])
        for text in numbers
        for i, word in enumerate(text)
        for j in range(max(0, i - window), min(len(text), i + window + 1))
        if j != i and word > 1 and text[j] > 1
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def skip_gram(
    texts: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    *,
    dims: int = 32,
    window: int = 3,
    negatives: int = 5,
    epochs: int = 3,
    rate: float = 0.4,
    batch: int = 512,
    seed: int = 0,
) -> Floats:
    """A vector for each word such that words with the same neighbours have like vectors: (words, dims).

    For each pair of a word w and a neighbour c, σ(u_c·v_w) is drawn towards 1, and for `negatives` words n drawn by
    their frequency to the power of 3/4, σ(u_n·v_w) towards 0; v is what is given back. (T. Mikolov et al.,
    "Distributed representations of words and phrases", NeurIPS 2013, equation 4.) By steps of plain gradient descent
    over `batch` pairs; the rate falls to 0.

    Raises
    ------
    InputError
        If no text has two known words.
    """
    rng = np.random.default_rng(seed)
    numbers = [vocabulary.numbers(text) for text in texts]
    pairs = skip_pairs(numbers, window=window)
    if not len(pairs):
        raise InputError("needs a text with two words of the vocabulary; got none")
    counts = np.bincount(np.concatenate([np.array(t, dtype=np.int64) for t in numbers]), minlength=len(vocabulary))
    often = counts.astype(np.float64) ** 0.75
    often[:2] = 0.0
    cumulative = np.cumsum(often / often.sum())
    inside = (rng.random((len(vocabulary), dims)) - 0.5) / dims
    outside = np.zeros((len(vocabulary), dims))
    steps = epochs * -(-len(pairs) // batch)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(pairs))
        for start in range(0, len(pairs), batch):
            word, near = pairs[order[start : start + batch]].T
            other = np.searchsorted(cumulative, rng.random((len(word), negatives))).clip(2, len(vocabulary) - 1)
            sgns_step(inside, outside, word, near, other, rate * (1 - step / steps))
            step += 1
    return inside


def sgns_step(
    inside: Floats,
    outside: Floats,
    word: NDArray[np.int64],
    near: NDArray[np.int64],
    other: NDArray[np.int64],
    rate: float,
) -> float:
    """One step of gradient descent for pairs (n,) and negatives (n, k), in place; the mean loss before it.

    Gradients are summed over the pairs of each word, and each row moves by their mean.
    """
    v = inside[word]
    asked = np.concatenate([near[:, None], other], axis=1)
    u = outside[asked]
    p = expit(np.einsum("nd,nkd->nk", v, u))
    wrong = p.copy()
    wrong[:, 0] -= 1
    loss = -np.log(np.clip(np.concatenate([p[:, :1], 1 - p[:, 1:]], axis=1), 1e-12, 1)).sum(axis=1).mean()
    _move(inside, word, np.einsum("nk,nkd->nd", wrong, u), rate)
    _move(outside, asked.ravel(), (wrong[..., None] * v[:, None]).reshape(-1, v.shape[1]), rate)
    return float(loss)


def _move(rows: Floats, which: NDArray[np.int64], gradients: Floats, rate: float) -> None:
    """Each row down its mean gradient."""
    total = np.zeros_like(rows)
    np.add.at(total, which, gradients)
    counts = np.bincount(which, minlength=len(rows))[:, None]
    rows -= rate * total / np.sqrt(np.maximum(counts, 1))


def cosine(vectors: Floats, to: Floats) -> Floats:
    """Cosine of the angle between each vector and one, (n,); 0 for a vector of zeros.

    >>> cosine(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([1.0, 0.0]))
    array([1., 0.])
    """
    length = np.linalg.norm(vectors, axis=1) * np.linalg.norm(to)
    return np.asarray(np.divide(vectors @ to, length, out=np.zeros(len(vectors)), where=length > 0))


def neighbours(word: str, vectors: Floats, vocabulary: Vocabulary, *, n: int = 5) -> list[tuple[str, float]]:
    """The words whose vectors point most nearly where this word's does, and the cosines.

    Raises
    ------
    InputError
        If the vocabulary lacks the word.
    """
    return _nearest(_vector(word, vectors, vocabulary), vectors, vocabulary, {word}, n)


def analogy(a: str, b: str, c: str, vectors: Floats, vocabulary: Vocabulary, *, n: int = 3) -> list[tuple[str, float]]:
    """What is to c as b is to a: the words nearest to v(b) − v(a) + v(c), each vector of length 1.

    Raises
    ------
    InputError
        If the vocabulary lacks one of the words.
    """
    one, two, three = (
        v / max(float(np.linalg.norm(v)), 1e-12) for v in (_vector(word, vectors, vocabulary) for word in (a, b, c))
    )
    return _nearest(two - one + three, vectors, vocabulary, {a, b, c}, n)


def _vector(word: str, vectors: Floats, vocabulary: Vocabulary) -> Floats:
    number = vocabulary.numbers([word])[0]
    if number == 1:
        raise InputError(f"the vocabulary has no word {word!r}; it has, for one, {', '.join(vocabulary.words[2:8])}")
    return np.asarray(vectors[number])


def _nearest(
    to: Floats, vectors: Floats, vocabulary: Vocabulary, left_out: set[str], n: int
) -> list[tuple[str, float]]:
    close = cosine(vectors, to)
    close[:2] = -2.0
    order = [int(i) for i in np.argsort(-close, kind="stable") if vocabulary.words[int(i)] not in left_out]
    return [(vocabulary.words[i], float(close[i])) for i in order[:n]]
