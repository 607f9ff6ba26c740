"""Training and judging a grounder: cells to learn from, right and wrong sentences, pointing game and false alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.geometry import iou
from medloc_lib.reports.augmenting import Rewriter
from medloc_lib.reports.grounding import (
    Cells,
    Grounder,
    GroundingNet,
    box_loss,
    cells,
    contrastive_loss,
    mirrored,
    numbers,
)
from medloc_lib.reports.simulated import Pair, pairs
from medloc_lib.reports.statements import KINDS, REGIONS, Statement
from medloc_lib.reports.tokens import Vocabulary, tokens
from medloc_lib.sample import Sample

PEAKS, ELSEWHERE = 40, 40
"""Cells of a picture that are learned from: the detector's hottest, and any others."""

TOLD = 4
"""Lesions of a picture that the simulator's report tells of."""


@dataclass(frozen=True)
class Scene:
    """A picture as training sees it.

    Parameters
    ----------
    features : (cells, features), of some cells.
    box : (cells,), the number of the told lesion whose box a cell lies in, -1: in none, -2: in a lesion not told.
    told : statement of each told lesion.
    whole : whether the report tells of all lesions.
    """

    features: Tensor
    box: NDArray[np.int64]
    told: tuple[Statement, ...]
    whole: bool


def scene(detector: HeatmapLocalizer, sample: Sample, told: Sequence[Pair], rng: np.random.Generator) -> Scene:
    """What is learned from a picture."""
    boxes, ignored = np.asarray(sample.boxes), np.asarray(sample.ignore)
    seen = cells(detector, sample)
    rows, cols = seen.heat.shape
    owner = np.full((rows, cols), -1)
    number = {pair.box: k for k, pair in enumerate(told)}
    centers = []
    for b in np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1)) if len(boxes) else ():
        row0, col0, row1, col1 = boxes[b] / (sample.shape[0] / rows)
        r, c = (row0 + row1) / 2, (col0 + col1) / 2
        tall, wide = max((row1 - row0) / 4, 0.5), max((col1 - col0) / 4, 0.5)
        inside = (
            slice(max(0, round(r - tall - 0.5)), round(r + tall + 0.5)),
            slice(max(0, round(c - wide - 0.5)), round(c + wide + 0.5)),
        )
        owner[int(row0) : int(np.ceil(row1)), int(col0) : int(np.ceil(col1))] = -2
        owner[inside] = number.get(int(b), -2)
        centers.append(int(r) * cols + int(c))
    chosen = _chosen(seen, owner, centers, rng)
    whole = len(told) == int((~ignored).sum()) and not ignored.any()
    return Scene(
        seen.features.flatten(1).T[chosen].half(), owner.ravel()[chosen], tuple(pair.stated for pair in told), whole
    )


def _chosen(
    seen: Cells, owner: NDArray[np.int64], centers: Sequence[int], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Numbers of the cells to learn from: as many for each picture."""
    heat = torch.nn.functional.max_pool2d(seen.heat[None], 3, 1, 1)[0]
    peaks = torch.where(heat == seen.heat, seen.heat, torch.zeros_like(heat)).flatten()
    best = peaks.topk(PEAKS).indices.numpy()
    near = np.flatnonzero(owner.ravel() >= 0)
    own = rng.permutation(near)[: ELSEWHERE // 2] if len(near) else near
    rest = rng.permutation(owner.size)[: ELSEWHERE - len(own)]
    found = np.concatenate([np.asarray(centers, dtype=np.int64)[:TOLD], best, own, rest])[: PEAKS + ELSEWHERE]
    return np.asarray(found, dtype=np.int64)


def in_mirror(one: Scene) -> Scene:
    """The same with left and right swapped, in the picture and in what is told of it."""
    other = {"left": "right", "right": "left", "midline": "midline"}
    told = tuple(Statement(s.kind, s.whether, other[s.side], s.region, s.mm) for s in one.told)
    return Scene(mirrored(one.features.float()).half(), one.box, told, one.whole)


def agree(a: Statement, b: Statement) -> bool:
    """Whether two statements name the same kind, side and region.

    >>> agree(Statement("mass", "present", "left", "insula", 9), Statement("mass", "present", "left", "insula", 20))
    True
    """
    return (a.kind, a.side, a.region) == (b.kind, b.side, b.region)


def alike(a: Statement, b: Statement) -> bool:
    """Whether their sizes are too close to tell them apart: within a factor of 1.5."""
    return max(a.mm, b.mm) <= 1.5 * max(min(a.mm, b.mm), 1.0)


def wrong_of(stated: Statement, present: Sequence[Statement], rng: np.random.Generator) -> Statement:
    """A statement that is true of none of `present`: with another side, kind, or region."""
    while True:
        what = int(rng.integers(3))
        new = Statement(
            KINDS[int(rng.integers(3))] if what == 0 else stated.kind,
            "present",
            {"left": "right", "right": "left"}.get(stated.side, "left") if what == 1 else stated.side,
            REGIONS[int(rng.integers(len(REGIONS)))] if what == 2 else stated.region,
            stated.mm,
        )
        if not any(agree(new, other) for other in present):
            return new


def answers(scenes: Sequence[Scene], stated: Sequence[Statement], owner: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Which cell answers which sentence, and which pairs count: two of (cells of all scenes, sentences).

    Parameters
    ----------
    owner : for each sentence the scene that it was written on, -1 for none.
    """
    right, care = [], []
    for i, one in enumerate(scenes):
        yes = np.zeros((len(one.box), len(stated)), dtype=bool)
        count = np.ones_like(yes)
        for j, statement in enumerate(stated):
            fits = [k for k, told in enumerate(one.told) if agree(told, statement)]
            exact = [k for k in fits if one.told[k].mm == statement.mm and owner[j] == i]
            for k in fits:
                mine = one.box == k
                if k in exact or (not exact and alike(one.told[k], statement)):
                    yes[mine, j] = True
                elif alike(one.told[k], statement) or not exact:
                    count[mine, j] = False
            count[one.box == -2, j] = False
            if not one.whole and owner[j] != i:
                count[one.box == -2, j] = False
        right.append(yes)
        care.append(count)
    return torch.from_numpy(np.concatenate(right)), torch.from_numpy(np.concatenate(care))


def train_grounder(
    scenes: Sequence[Scene],
    detector: HeatmapLocalizer,
    *,
    steps: int = 1500,
    batch: int = 24,
    rate: float = 2e-3,
    seed: int = 0,
    start: Grounder | None = None,
    tell: Callable[[int, float], object] | None = None,
) -> tuple[Grounder, list[float]]:
    """Train both encoders together; the grounder, and the loss of each step.

    Each step takes some pictures, a sentence that is true of each (in words of its own: `Rewriter`) and one that is
    not, and asks every sentence of every cell of all of them.

    Parameters
    ----------
    start : a grounder whose copy is trained on; default a new one.
    tell : is told each step and its loss.
    """
    rng = np.random.default_rng(seed)
    writer = Rewriter(rng)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if start is None:
            texts = [tokens(_text(writer, t)) for s in scenes for t in s.told for _ in range(4)]
            vocabulary = Vocabulary.of(texts, least=3)
            net = GroundingNet(scenes[0].features.shape[1], len(vocabulary))
        else:
            vocabulary, net = start.vocabulary, GroundingNet(scenes[0].features.shape[1], len(start.vocabulary))
            net.load_state_dict(start.net.state_dict())
        net.train()
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
        sick = [i for i, s in enumerate(scenes) if s.told]
        well = [i for i, s in enumerate(scenes) if not s.told]
        losses = []
        for step in range(steps):
            chosen = rng.choice(sick, batch, replace=len(sick) < batch)
            some = [scenes[i] for i in chosen] + [scenes[i] for i in (rng.choice(well, batch // 4) if well else ())]
            some = [in_mirror(one) if rng.random() < 0.5 else one for one in some]
            stated, owner = [], []
            for i, one in enumerate(some[:batch]):
                true = one.told[int(rng.integers(len(one.told)))]
                stated += [true, wrong_of(true, one.told, rng)]
                owner += [i, -1]
            said = net.hear(*numbers([_text(writer, s) for s in stated], vocabulary))
            seen = net.see(torch.cat([one.features for one in some]).float())
            logits = net.match(seen, said)
            right, care = answers(some, stated, owner)
            loss = contrastive_loss(logits, right, care) + box_loss(logits, right, care)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if tell:
                tell(step, losses[-1])
    return Grounder(net, vocabulary, detector), losses


def _text(writer: Rewriter, statement: Statement) -> str:
    return writer.sentence([statement])


@dataclass(frozen=True)
class Judged:
    """What one sentence came to on one picture.

    Parameters
    ----------
    score : of the best cell. hit : whether it lies in the sentence's box. overlap : IoU of the boxes.
    true : whether the sentence is true of the picture. only : whether kind, side and region fit one told lesion only.
    lesions : of the picture.
    """

    score: float
    hit: bool
    overlap: float
    true: bool
    only: bool
    lesions: int


def judge(
    grounder: Grounder, samples: Sequence[Sample], say: Callable[[Statement, Pair | None], str], *, seed: int = 0
) -> list[Judged]:
    """Ask for each told lesion in a sentence of `say`, and for one that is not there, where the report tells of all.

    Parameters
    ----------
    say : statement, and its pair if it is true -> sentence.
    """
    rng = np.random.default_rng(seed)
    by_image: dict[int, list[Pair]] = {}
    for pair in pairs(samples):
        by_image.setdefault(pair.image, []).append(pair)
    found = []
    for i, told in by_image.items():
        sample = samples[i]
        boxes, ignored = np.asarray(sample.boxes), np.asarray(sample.ignore)
        seen, lesions = grounder.look(sample), int((~ignored).sum())
        stated = [pair.stated for pair in told]
        for pair in told:
            answer = grounder.on(seen, sample.shape, say(pair.stated, pair))
            box = boxes[pair.box]
            at = np.asarray(answer.at)
            hit = bool((at >= box[:2]).all() and (at < box[2:]).all())
            only = sum(agree(pair.stated, s) for s in stated) == 1
            found.append(Judged(answer.score, hit, float(iou(answer.box[None], box[None])[0, 0]), True, only, lesions))
            if lesions == len(told):
                wrong = wrong_of(pair.stated, stated, rng)
                answer = grounder.on(seen, sample.shape, say(wrong, None))
                found.append(Judged(answer.score, False, 0.0, False, True, lesions))
    return found


def summary(judged: Sequence[Judged], threshold: float, *, least: int = 2) -> dict[str, float]:
    """Pointing-game accuracy, mean IoU and share of boxes with IoU 0.3, on pictures with `least` lesions and more; the
    share of true sentences that find a box, and of wrong ones that do, over the threshold, on all."""
    asked = [j for j in judged if j.true and j.only and j.lesions >= least]
    true, wrong = [j for j in judged if j.true], [j for j in judged if not j.true]
    return {
        "sentences": len(asked),
        "pointing": float(np.mean([j.hit for j in asked])),
        "iou": float(np.mean([j.overlap for j in asked])),
        "iou_0.3": float(np.mean([j.overlap >= 0.3 for j in asked])),
        "pointing, all sentences": float(np.mean([j.hit for j in judged if j.true and j.lesions >= least])),
        "found": float(np.mean([j.score >= threshold for j in true])),
        "false alarms": float(np.mean([j.score >= threshold for j in wrong])),
    }


def choose_threshold(judged: Sequence[Judged]) -> float:
    """The score at which the share of true sentences that find, less that of wrong ones, is highest (Youden)."""
    scores = np.array([j.score for j in judged])
    true = np.array([j.true for j in judged])
    tried = np.unique(scores)
    index = [(scores[true] >= t).mean() - (scores[~true] >= t).mean() for t in tried]
    return float(tried[int(np.argmax(index))])
