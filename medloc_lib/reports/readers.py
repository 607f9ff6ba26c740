"""Readers that learn: a bag of words, a recurrent and a convolutional network.

All get the same: one sentence and one kind of lesion to be asked about. The words are told as they are and by the
vocabulary (`terms.tags`), with the kind that is asked about as "target" and the others as "rival". All answer the same:
whether the kind is denied, possible or present, on which sides, and in which regions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from medloc_lib.deep.settings import History, Settings, Watch
from medloc_lib.deep.storage import read_tensors, restore, write_tensors
from medloc_lib.deep.tensors import Batch, Data
from medloc_lib.deep.training import train
from medloc_lib.errors import InputError, ReadError
from medloc_lib.reports.reading import Reading
from medloc_lib.reports.statements import KINDS, REGIONS, SIDES, Statement
from medloc_lib.reports.terms import TAGS, tags
from medloc_lib.reports.tokens import Vocabulary, bag_of_words, sentences, tokens

WHETHER = ("denied", "possible", "present")
TOLD = tuple(dict.fromkeys("target" if t == KINDS[0] else "rival" if t in KINDS else t for t in TAGS))
"""What a word can be told to be, seen from the kind that is asked about."""

ANSWERS = len(WHETHER) + len(SIDES) + len(REGIONS)
LONGEST = 64
"""Words of a sentence that are read."""

Said = Sequence[tuple[str, Sequence[Statement]]]


@dataclass(frozen=True)
class Question:
    """A sentence, and the kind that is asked about.

    >>> Question.all("No mass, but a stroke.")[1]
    Question(words=('no', 'mass', ',', 'but', 'a', 'stroke', '.'), told=('deny', 'rival', 'other', 'turn', 'other',
    'target', 'other'), kind='infarct')
    """

    words: tuple[str, ...]
    told: tuple[str, ...]
    kind: str

    @classmethod
    def all(cls, sentence: str) -> list[Question]:
        """One question for each kind that the sentence names."""
        words = tuple(tokens(sentence))[:LONGEST]
        concepts = tags(words)
        return [
            cls(words, tuple("target" if t == kind else "rival" if t in KINDS else t for t in concepts), kind)
            for kind in KINDS
            if kind in concepts
        ]


def questions(said: Said) -> tuple[list[Question], NDArray[np.float32]]:
    """Questions on sentences whose statements are known, and the right answers, (questions, 3 + sides + regions).

    A kind that the sentence names and says nothing of is left out.
    """
    asked, right = [], []
    for text, stated in said:
        for question in Question.all(text):
            mine = [s for s in stated if s.kind == question.kind]
            if mine:
                reading = Reading.true(mine)
                kind = question.kind
                asked.append(question)
                right.append(
                    [reading.whether[kind] == w for w in WHETHER]
                    + [side in reading.sides[kind] for side in SIDES]
                    + [region in reading.regions[kind] for region in REGIONS]
                )
    return asked, np.array(right, dtype=np.float32).reshape(-1, ANSWERS)


class Reader(ABC):
    """What all of them share: a text is read sentence by sentence, kind by kind, and put together."""

    @abstractmethod
    def answers(self, asked: Sequence[Question]) -> NDArray[np.float64]:
        """(questions, 3 + sides + regions): chances, the first three of whether, which sum to 1."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """What each report says."""
        asked = [[q for part in sentences(text) for q in Question.all(part)] for text in texts]
        flat = [question for some in asked for question in some]
        answers = iter(self.answers(flat) if flat else ())
        return [Reading.merged([_reading(question, next(answers)) for question in some]) for some in asked]


def _reading(question: Question, answer: NDArray[np.float64]) -> Reading:
    whether = WHETHER[int(answer[:3].argmax())]
    if whether == "denied":
        return Reading.of({question.kind: whether}, {}, {})
    sides, regions = answer[3 : 3 + len(SIDES)] > 0.5, answer[3 + len(SIDES) :] > 0.5
    return Reading.of(
        {question.kind: whether},
        {question.kind: {side for side, yes in zip(SIDES, sides, strict=True) if yes}},
        {question.kind: {region for region, yes in zip(REGIONS, regions, strict=True) if yes}},
    )


class BagReader(Reader):
    """Logistic regression on how often each word, and each concept, occurs in the sentence: the order is lost."""

    def fit(self, said: Said) -> Self:
        """Learn from sentences whose statements are known."""
        asked, right = questions(said)
        self.vocabulary = Vocabulary.of([question.words for question in asked], least=3)
        counts = self._counts(asked)
        columns = [right[:, :3].argmax(axis=1), *(right[:, k].astype(int) for k in range(3, ANSWERS))]
        self.models = [LogisticRegression(C=0.3, max_iter=3000).fit(counts, column) for column in columns]
        return self

    def answers(self, asked: Sequence[Question]) -> NDArray[np.float64]:
        counts = self._counts(asked)
        parts = [self.models[0].predict_proba(counts)]
        parts += [model.predict_proba(counts)[:, 1:] for model in self.models[1:]]
        return np.concatenate(parts, axis=1)

    def _counts(self, asked: Sequence[Question]) -> NDArray[np.float32]:
        told = Vocabulary(("<pad>", "<unknown>", *TOLD))
        words = bag_of_words([question.words for question in asked], self.vocabulary)
        return np.concatenate([words, bag_of_words([question.told for question in asked], told)[:, 2:]], axis=1)


class SentenceNet(nn.Module):
    """A vector for each word that knows the words around it; those of the target say *whether*, and *where* is asked of
    each word that names a side or a region: does it belong to the target?

    Parameters
    ----------
    words : how many the vocabulary has.
    body : "recurrent": a gated recurrent unit in both directions (K. Cho et al., EMNLP 2014; M. Schuster and K.
        Paliwal, 1997). "convolutional": three convolutions over words, each looking twice as far (Y. Kim, EMNLP 2014;
        F. Yu and V. Koltun, ICLR 2016).
    dims, width : of the word vectors, and of what is made of them.

    Examples
    --------
    >>> net = SentenceNet(50)
    >>> net(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5, dtype=torch.long)).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        words: int,
        body: Literal["recurrent", "convolutional"] = "recurrent",
        *,
        dims: int = 32,
        width: int = 64,
        drop: float = 0.3,
    ) -> None:
        super().__init__()
        if body not in ("recurrent", "convolutional"):
            raise InputError(f'body must be "recurrent" or "convolutional"; got {body!r}')
        self.drop = drop
        self.words = nn.Embedding(words, dims, padding_idx=0)
        self.told = nn.Embedding(len(TOLD) + 1, dims)
        if body == "recurrent":
            self.body: Any = nn.GRU(dims, width // 2, batch_first=True, bidirectional=True)
        else:
            steps = [(dims if k == 0 else width, 2**k) for k in range(3)]
            self.body = nn.Sequential(
                *(layer for n, k in steps for layer in (nn.Conv1d(n, width, 5, padding=2 * k, dilation=k), nn.ReLU()))
            )
        self.whether = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(WHETHER)))
        self.here, self.there = nn.Linear(width, width), nn.Linear(width, width)
        self.link = nn.Linear(width, 1)

    def forward(self, words: Tensor, told: Tensor) -> Tensor:
        """Logits (n, answers) of word numbers and concept numbers, each (n, longest), 0 where the sentence is over."""
        if self.training and self.drop:  # a word may be any other, but what it is told to be stays
            other = (torch.rand(words.shape, device=words.device) < self.drop) & (words > 0)
            words = torch.where(other, torch.ones_like(words), words)
        x = self.encode(self.words(words) + self.told(told), (told > 0).sum(1))
        target = (told == 1 + TOLD.index("target"))[..., None]
        pooled = x.masked_fill(~target, -1e4).amax(1)
        links = self.link(functional.relu(self.here(pooled)[:, None] + self.there(x)))[..., 0]
        places = [links.masked_fill(told != 1 + TOLD.index(place), -1e4).amax(1) for place in (*SIDES, *REGIONS)]
        return torch.cat([self.whether(pooled), torch.stack(places, 1).clamp(min=-20)], 1)

    def encode(self, x: Tensor, lengths: Tensor) -> Tensor:
        """A vector for each word that knows the words around it."""
        if isinstance(self.body, nn.GRU):  # told the lengths, as it reads backwards too
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            out, _ = nn.utils.rnn.pad_packed_sequence(self.body(packed)[0], batch_first=True, total_length=x.shape[1])
            return out
        return self.body(x.movedim(1, 2)).movedim(2, 1)  # type: ignore[no-any-return]


class NetReader(Reader):
    """A `SentenceNet` as a reader.

    Parameters
    ----------
    body : "recurrent" or "convolutional".
    epochs, batch, rate, seed, device : of the training; see `medloc_lib.deep.settings.Settings`.
    """

    def __init__(
        self,
        body: Literal["recurrent", "convolutional"] = "recurrent",
        *,
        epochs: int = 6,
        batch: int = 64,
        rate: float = 3e-3,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.body = body
        self.settings = Settings(epochs=epochs, batch=batch, rate=rate, seed=seed, device=device, clip=5.0)

    def fit(
        self, said: Said, *, vectors: tuple[Vocabulary, NDArray[np.float64]] | None = None, watch: Watch | None = None
    ) -> Self:
        """Learn from sentences whose statements are known.

        Parameters
        ----------
        vectors : word vectors to begin with, and their vocabulary; otherwise both are made here.
        watch : sees how training goes, such as `medloc_lib.widgets.curves`.
        """
        asked, right = questions(said)
        if not asked:
            raise InputError("needs sentences that name a kind and state something of it; got none")
        self.vocabulary = vectors[0] if vectors else Vocabulary.of([q.words for q in asked], least=3)
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            self.net = SentenceNet(len(self.vocabulary), self.body)
        if vectors:
            with torch.no_grad():
                known = torch.as_tensor(vectors[1], dtype=torch.float32)
                self.net.words.weight[2:] = (known / known.norm(dim=1, keepdim=True).clamp(min=1e-6))[2:]
        data = Data({**self._tensors(asked), "right": torch.from_numpy(right)}, tuple(" ".join(q.words) for q in asked))
        self.history: History | None = train(self.net, data, _loss, settings=self.settings, watch=watch)
        self.net = self.net.cpu().eval()
        return self

    def answers(self, asked: Sequence[Question]) -> NDArray[np.float64]:
        with torch.no_grad():
            parts = []
            for start in range(0, len(asked), 256):
                batch = self._tensors(asked[start : start + 256])
                logits = self.net(batch["words"], batch["told"]).double()
                parts.append(torch.cat([logits[:, :3].softmax(1), logits[:, 3:].sigmoid()], 1))
        return np.asarray(torch.cat(parts))

    def _tensors(self, asked: Sequence[Question]) -> Batch:
        return as_tensors(asked, self.vocabulary)

    def save(self, path: Path) -> None:
        """Write it as one file of safetensors."""
        weights = {name: weight.half() for name, weight in self.net.state_dict().items()}
        write_tensors(path, weights, {"body": self.body, "words": list(self.vocabulary.words)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """One that `save` wrote.

        Raises
        ------
        ReadError
            If there is no such file, or it is something else.
        """
        weights, facts = read_tensors(path)
        try:
            made = cls(facts["body"])
            made.vocabulary = Vocabulary(tuple(facts["words"]))
        except (KeyError, TypeError, InputError) as error:
            raise ReadError(path, f"holds no reader of reports ({error})") from error
        made.net = SentenceNet(len(made.vocabulary), made.body).eval()
        restore(made.net.state_dict(), weights, path)
        made.history = None
        return made


def as_tensors(asked: Sequence[Question], vocabulary: Vocabulary) -> Batch:
    """Word numbers and concept numbers of sentences, int64 (n, longest), filled up with 0."""
    longest = max(len(question.words) for question in asked)
    words, told = torch.zeros(len(asked), longest, dtype=torch.long), torch.zeros(len(asked), longest, dtype=torch.long)
    for i, question in enumerate(asked):
        n = len(question.words)
        words[i, :n] = torch.tensor(vocabulary.numbers(question.words))
        told[i, :n] = torch.tensor([1 + TOLD.index(t) for t in question.told])
    return {"words": words, "told": told}


def _loss(net: Callable[..., Any], batch: Batch) -> dict[str, Tensor]:
    logits, right = net(batch["words"], batch["told"]), batch["right"]
    there = (right[:, 0] == 0).float()[:, None]
    places = functional.binary_cross_entropy_with_logits(logits[:, 3:], right[:, 3:], reduction="none")
    return {
        "whether": functional.cross_entropy(logits[:, :3], right[:, :3].argmax(1)),
        "where": 4 * (places * there).mean(),
    }
