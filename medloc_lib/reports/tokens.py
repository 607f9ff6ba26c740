"""From text to words: sentences, tokens in English and Chinese, a vocabulary, and the bag of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.reports.terms import chinese

PAD, UNKNOWN = "<pad>", "<unknown>"
HAN = re.compile(r"[\u3400-\u9fff]+")
WORD = re.compile(r"[\u3400-\u9fff]+|\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|[.,;:?!()/。，；：？！（）、]")
MARKS = str.maketrans("。，；：？！（）、", ".,;:?!(),")
ENDS = re.compile(r"(?<=[.!?])\s+|(?<=[。；！？])|\n+")


def sentences(text: str) -> list[str]:
    """The sentences of a text. A point inside a number ends none, nor does a question mark before its word.

    >>> sentences("A mass, 1.2 cm. ?Stroke on the left. 未见梗死。左侧额叶见肿块。")
    ['A mass, 1.2 cm.', '?Stroke on the left.', '未见梗死。', '左侧额叶见肿块。']
    """
    return [part.strip() for part in ENDS.split(text) if part and part.strip()]


def tokens(text: str) -> list[str]:
    """Words, numbers and marks, in lower case. Chinese is cut into words, and known ones are put into English.

    >>> tokens("Left-sided infarct (1.2 cm)?")
    ['left', 'sided', 'infarct', '(', '1.2', 'cm', ')', '?']
    >>> tokens("左侧额叶见肿块，未见梗死。")
    ['left', 'frontal', 'lobe', 'seen', 'mass', ',', 'no', 'infarct', '.']
    """
    found: list[str] = []
    for token in WORD.findall(text):
        if HAN.fullmatch(token):
            for word in cut(token):
                found += chinese().get(word, word).split()
        else:
            found.append(token.lower().translate(MARKS))
    return found


def cut(text: str) -> list[str]:
    """Chinese text as words, by jieba with the kit's medical terms.

    >>> cut("左侧侧脑室旁多发性硬化斑块")
    ['左侧', '侧脑室旁', '多发性硬化斑块']
    """
    return [word for word in _jieba().cut(text, HMM=False) if word.strip()]


@lru_cache(maxsize=1)
def _jieba() -> Any:
    """A tokenizer of our own: jieba's own one logs, and writes its cache into the folder for temporary files."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba imports pkg_resources
        import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    for word in chinese():
        tokenizer.add_word(word, freq=200_000)
    return tokenizer


@dataclass(frozen=True)
class Vocabulary:
    """The words that a model knows, each with its number; 0 fills up, 1 is any other word.

    Parameters
    ----------
    words : the first two are `PAD` and `UNKNOWN`.

    Examples
    --------
    >>> vocabulary = Vocabulary.of([["no", "mass"], ["a", "mass"]])
    >>> vocabulary.words, vocabulary.numbers(["a", "stroke"])
    (('<pad>', '<unknown>', 'mass', 'a', 'no'), [3, 1])
    """

    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.words[:2] != (PAD, UNKNOWN) or len(set(self.words)) != len(self.words):
            raise InputError(f"a vocabulary begins with {PAD}, {UNKNOWN} and has each word once; got {self.words[:4]}")
        object.__setattr__(self, "_numbers", {word: i for i, word in enumerate(self.words)})

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], *, least: int = 1) -> Vocabulary:
        """All words that occur `least` times or more, the most frequent first."""
        counted = Counter(word for text in texts for word in text)
        kept = sorted((w for w, n in counted.items() if n >= least), key=lambda w: (-counted[w], w))
        return cls((PAD, UNKNOWN, *kept))

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, words: Sequence[str]) -> list[int]:
        """The number of each word."""
        known: dict[str, int] = self._numbers  # type: ignore[attr-defined]
        return [known.get(word, 1) for word in words]


def bag_of_words(texts: Iterable[Sequence[str]], vocabulary: Vocabulary) -> NDArray[np.float32]:
    """How often each word of the vocabulary occurs in each text: (texts, words). The order is lost.

    >>> bag_of_words([["no", "mass", "no"]], Vocabulary((PAD, UNKNOWN, "mass", "no")))
    array([[0., 0., 1., 2.]], dtype=float32)
    """
    rows = [np.bincount(vocabulary.numbers(words), minlength=len(vocabulary)) for words in texts]
    return np.asarray(rows, dtype=np.float32).reshape(-1, len(vocabulary))
