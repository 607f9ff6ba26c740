"""Two sets of phrasings that share no template with the simulator's reports: one for choices, one for the final figure.

`HELD_OUT` was written as a radiologist dictates, before its author had seen the simulator's sentences, and is not
changed by what a reader gets wrong on it. `DEV` was written beside it, in other words, and serves for choices. Both are
simulated all the same: a grammar fills in names, places and sides. Reports of a hospital are harder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from medloc_lib.reports.statements import KINDS, REGIONS, SIDES, Statement, Whether

T = TypeVar("T")


@dataclass(frozen=True)
class Wordings:
    """The phrases of one hand: names and places as (noun, adjective) or (one, several), sentences with gaps."""

    names: dict[str, tuple[tuple[str, str], ...]]  # kind: (one, several)
    places: dict[str, tuple[tuple[str, str], ...]]  # region: (noun, adjective)
    nouns: dict[str, tuple[str, ...]]  # side: "left {noun}"
    adjectives: dict[str, tuple[str, ...]]  # side: "left {adjective}"
    phrases: tuple[str, ...]  # {a}, {name}, {noun}, {adjective}: one finding
    sizes: tuple[str, ...]  # behind a phrase
    present: tuple[str, ...]
    possible: tuple[str, ...]
    denied: tuple[str, ...]  # {no} is a list of names
    both: tuple[str, ...]  # {x} and {y}: two findings, both present
    mixed: tuple[str, ...]  # {x} present, {no} denied
    doubtful: tuple[str, ...]  # {x} present, {y} possible
    other: tuple[str, ...]  # normal, or about the side that is spared
    join: tuple[str, ...]  # the last "or" of a list of names


HELD_OUT = Wordings(
    names={
        "mass": (
            ("tumour", "tumours"),
            ("neoplasm", "neoplasms"),
            ("space-occupying lesion", "space-occupying lesions"),
            ("SOL", "SOLs"),
            ("glioma", "gliomas"),
            ("mass lesion", "mass lesions"),
        ),
        "plaque": (
            ("demyelinating lesion", "demyelinating lesions"),
            ("MS plaque", "MS plaques"),
            ("focus of demyelination", "foci of demyelination"),
            ("demyelinating focus", "demyelinating foci"),
            ("MS lesion", "MS lesions"),
        ),
        "infarct": (
            ("stroke", "strokes"),
            ("infarction", "infarctions"),
            ("ischaemic lesion", "ischaemic lesions"),
            ("CVA", "CVAs"),
            ("area of infarction", "areas of infarction"),
            ("ischemic stroke", "ischemic strokes"),
        ),
    },
    places={
        "frontal lobe": (("frontal lobe", "frontal"), ("frontal region", "frontal lobe")),
        "parietal lobe": (("parietal lobe", "parietal"), ("parietal region", "parietal lobe")),
        "temporal lobe": (("temporal lobe", "temporal"), ("temporal region", "temporal lobe")),
        "occipital lobe": (("occipital lobe", "occipital"), ("occipital cortex", "occipital lobe")),
        "insula": (("insula", "insular"), ("insular cortex", "insular")),
        "periventricular white matter": (
            ("periventricular white matter", "periventricular"),
            ("PVWM", "periventricular"),
            ("white matter beside the ventricle", "paraventricular"),
        ),
        "basal ganglia": (("basal ganglia", "basal ganglia"), ("deep grey nuclei", "basal ganglionic")),
        "thalamus": (("thalamus", "thalamic"),),
        "cerebellum": (("cerebellum", "cerebellar"), ("cerebellar hemisphere", "cerebellar")),
        "brainstem": (("brainstem", "brainstem"), ("brain stem", "brain stem")),
    },
    nouns={
        "left": ("left {noun}", "{noun} on the left", "{noun} of the left hemisphere", "{noun}, left side", "L {noun}"),
        "right": (
            "right {noun}",
            "{noun} on the right",
            "{noun} of the right hemisphere",
            "{noun}, right side",
            "R {noun}",
        ),
        "midline": ("midline {noun}", "{noun} in the midline", "{noun}, midline"),
    },
    adjectives={
        "left": ("left {adjective}", "left-sided {adjective}", "L {adjective}", "LT {adjective}"),
        "right": ("right {adjective}", "right-sided {adjective}", "R {adjective}", "RT {adjective}"),
        "midline": ("midline {adjective}",),
    },
    phrases=(
        "{a} {adjective} {name}",
        "{a} {name} within the {noun}",
        "{a} {name} centred on the {noun}",
        "{a} {name} involving the {noun}",
        "{a} {name} ({adjective})",
    ),
    sizes=(", {mm} mm across", " of about {mm} mm", " ({mm} mm)"),
    present=(
        "{x} is noted.",
        "{x} is present.",
        "I note {x}.",
        "Findings are those of {x}.",
        "The scan demonstrates {x}.",
        "Unequivocal: {x}.",
        "{x} is identified on FLAIR.",
        "Imaging shows {x}.",
    ),
    possible=(
        "Possible {bare}.",
        "Query {bare}.",
        "{x} cannot be excluded.",
        "{x} is suspected.",
        "Appearances could represent {x}.",
        "This may well be {x}.",
        "Suspicious for {x}.",
        "?{bare}",
        "Equivocal for {x}.",
        "The signal change raises the possibility of {x}.",
    ),
    denied=(
        "No {no}.",
        "There is no convincing {no}.",
        "No sign of {no}.",
        "{No} not seen.",
        "{No}: none.",
        "The study is negative for {no}.",
        "{No} ruled out.",
        "The brain is free of {no}.",
        "I see neither {nor}.",
        "{No}: absent.",
    ),
    both=(
        "{x} and {y} are noted.",
        "{x} is noted, as well as {y}.",
        "The scan demonstrates {x}; in addition, {y}.",
        "Besides {x}, {y} is present.",
        "{x} is seen together with {y}.",
    ),
    mixed=(
        "{x} is noted, without {no}.",
        "No {no}, but {x} is present.",
        "{x}, no {no}.",
        "While {no} cannot be found, {x} is identified.",
        "Negative for {no}, however there is {x}.",
        "{x} is present and there is no {no}.",
    ),
    doubtful=(
        "{x} is present, and possibly {y}.",
        "{x} is noted; {y} cannot be excluded.",
        "There might be {y} in addition to {x}.",
    ),
    other=(
        "Ventricles and sulci are unremarkable.",
        "The {opposite} hemisphere is spared.",
        "The {opposite} side is clear.",
        "Flow voids preserved.",
        "No midline shift.",
        "Craniocervical junction normal.",
    ),
    join=(" or ", ", or ", " / "),
)

DEV = Wordings(
    names={
        "mass": (
            ("lesion with mass effect", "lesions with mass effect"),
            ("intracranial tumor", "intracranial tumors"),
            ("growth", "growths"),
            ("malignancy", "malignancies"),
            ("mass", "masses"),
        ),
        "plaque": (
            ("plaque of demyelination", "plaques of demyelination"),
            ("inflammatory demyelinating lesion", "inflammatory demyelinating lesions"),
            ("multiple sclerosis lesion", "multiple sclerosis lesions"),
            ("demyelinating plaque", "demyelinating plaques"),
        ),
        "infarct": (
            ("ischemic infarct", "ischemic infarcts"),
            ("cerebral infarction", "cerebral infarctions"),
            ("focus of ischaemia", "foci of ischaemia"),
            ("vascular insult", "vascular insults"),
            ("infarct", "infarcts"),
        ),
    },
    places={
        "frontal lobe": (("lobus frontalis", "frontal"), ("frontal cortex", "frontal")),
        "parietal lobe": (("parietal cortex", "parietal"), ("parietal lobe", "parietal")),
        "temporal lobe": (("temporal cortex", "temporal"), ("temporal lobe", "temporal")),
        "occipital lobe": (("occipital region", "occipital"), ("occipital lobe", "occipital")),
        "insula": (("insular region", "insular"), ("insula", "insular")),
        "periventricular white matter": (
            ("periventricular region", "periventricular"),
            ("white matter around the ventricles", "periventricular"),
        ),
        "basal ganglia": (("basal nuclei", "ganglionic"), ("striatum", "striatal")),
        "thalamus": (("thalamus", "thalamic"),),
        "cerebellum": (("cerebellum", "cerebellar"),),
        "brainstem": (("brainstem", "brainstem"), ("pons", "pontine")),
    },
    nouns={
        "left": ("{noun} at the left side", "left {noun}", "left-hand {noun}"),
        "right": ("{noun} at the right side", "right {noun}", "right-hand {noun}"),
        "midline": ("median {noun}", "{noun} at the midline"),
    },
    adjectives={
        "left": ("left {adjective}", "{adjective} left"),
        "right": ("right {adjective}", "{adjective} right"),
        "midline": ("median {adjective}", "midline {adjective}"),
    },
    phrases=(
        "{a} {name} of the {noun}",
        "{a} {name} in the {noun}",
        "in the {noun} {a} {name}",
        "{a} {adjective} {name}",
    ),
    sizes=(", diameter {mm} mm", " up to {mm} mm"),
    present=(
        "We see {x}.",
        "{x} can be made out.",
        "Finding: {x}.",
        "Definite {bare}.",
        "This is {x}.",
    ),
    possible=(
        "Probable {bare}.",
        "{x} is likely.",
        "Perhaps {x}.",
        "Cannot rule out {x}.",
        "Doubtful {bare}.",
        "It is uncertain whether this is {x}.",
    ),
    denied=(
        "Without evidence of {no}.",
        "{No} not found.",
        "We do not see {no}.",
        "{No} excluded.",
        "There are no signs of {no}.",
        "Nothing to suggest {no}.",
    ),
    both=(
        "We see {x}, and {y}.",
        "{x} plus {y}.",
        "First, {x}; second, {y}.",
    ),
    mixed=(
        "We see {x} but no {no}.",
        "Apart from {x} there is nothing, in particular no {no}.",
        "Although no {no} could be found, we see {x}.",
    ),
    doubtful=(
        "We see {x} and, less certain, {y}.",
        "Besides {x}, perhaps {y}.",
    ),
    other=(
        "Ventricular system of normal width.",
        "Nothing abnormal on the {opposite}.",
        "Sinuses clear.",
        "The {opposite} half of the brain looks normal.",
    ),
    join=(" or ", ", "),
)


def write(statements: Sequence[Statement], wordings: Wordings, rng: np.random.Generator) -> str:
    """A report, as one string, that says `statements` (in any order) in these wordings.

    >>> write([Statement("mass", "denied")], DEV, np.random.default_rng(0))
    'Without evidence of growth.'
    """
    say = _Hand(wordings, rng)
    shown = [s for s in statements if s.whether == "present"]
    doubt = [s for s in statements if s.whether == "possible"]
    denied = [s for s in statements if s.whether == "denied"]
    rng.shuffle(shown)
    sentences = []
    if shown and denied and rng.random() < 0.6:
        sentences.append(say.fill(wordings.mixed, x=say.finding(shown.pop()), no=say.names(denied)))
        denied = []
    if shown and doubt and rng.random() < 0.5:
        sentences.append(say.fill(wordings.doubtful, x=say.finding(shown.pop()), y=say.finding(doubt.pop())))
    while len(shown) > 1 and rng.random() < 0.6:
        sentences.append(say.fill(wordings.both, x=say.finding(shown.pop()), y=say.finding(shown.pop())))
    sentences += [say.fill(wordings.present, x=say.finding(s)) for s in shown]
    sentences += [say.fill(wordings.possible, x=say.finding(s)) for s in doubt]
    if denied:
        sentences.append(say.fill(wordings.denied, no=say.names(denied), nor=say.names(denied, nor=True)))
    sides = {s.side for s in statements if s.whether != "denied"}
    if len(sides & {"left", "right"}) == 1 and "midline" not in sides:
        opposite = "right" if "left" in sides else "left"
        other = [text for text in wordings.other if rng.random() < 0.25]
        sentences += [text.replace("{opposite}", opposite) for text in other]
    rng.shuffle(sentences)
    return " ".join(sentences)


class _Hand:
    """Picks phrases of one `Wordings` with one generator."""

    def __init__(self, wordings: Wordings, rng: np.random.Generator) -> None:
        self.words, self.rng = wordings, rng

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.rng.integers(len(options)))]

    def finding(self, statement: Statement) -> str:
        """The noun phrase of a finding, with its article."""
        name = self.pick(self.words.names[statement.kind])[0]
        noun, adjective = self.pick(self.words.places[statement.region])
        noun = self.pick(self.words.nouns[statement.side]).format(noun=noun)
        adjective = self.pick(self.words.adjectives[statement.side]).format(adjective=adjective)
        text = self.pick(self.words.phrases).format(a="{a}", name=name, noun=noun, adjective=adjective)
        behind = text.split("{a} ", 1)[1]
        text = text.replace("{a}", "an" if behind[0] in "aeiouAEIOU" or behind[:2] in ("L ", "MS", "RT") else "a", 1)
        if statement.mm and self.rng.random() < 0.5:
            text += self.pick(self.words.sizes).format(mm=round(statement.mm))
        return text

    def names(self, denied: Sequence[Statement], *, nor: bool = False) -> str:
        """Names of what is denied, as a list: "strokes, tumours or plaques"."""
        which = 1 if self.rng.random() < 0.5 else 0
        names = [self.pick(self.words.names[s.kind])[which] for s in denied]
        if nor:
            return " nor ".join(names) if len(names) > 1 else f"{names[0]} nor anything else"
        return names[0] if len(names) == 1 else ", ".join(names[:-1]) + self.pick(self.words.join) + names[-1]

    def fill(self, templates: Sequence[str], **gaps: str) -> str:
        """A sentence with its gaps filled, and a capital first."""
        gaps["bare"] = gaps.get("x", "").removeprefix("a ").removeprefix("an ")
        no = gaps.get("no", "")
        gaps["No"] = no[:1].upper() + no[1:]
        text = self.pick(templates).format(**gaps)
        return text[:1].upper() + text[1:]


def draw(rng: np.random.Generator) -> list[Statement]:
    """Statements of one made-up case: each kind present (once or twice), possible, denied, or not named at all.

    >>> len({s.kind for s in draw(np.random.default_rng(1))}) <= 3
    True
    """
    statements = []
    for kind in KINDS:
        whether = ("present", "possible", "denied", "")[int(rng.choice(4, p=[0.36, 0.14, 0.36, 0.14]))]
        if whether == "denied":
            statements.append(Statement(kind, "denied"))
        elif whether:
            for _ in range(2 if rng.random() < 0.2 else 1):
                side = SIDES[int(rng.choice(3, p=[0.46, 0.46, 0.08]))]
                region = REGIONS[int(rng.integers(len(REGIONS)))]
                kept: Whether = "present" if whether == "present" else "possible"
                statements.append(Statement(kind, kept, side, region, float(rng.integers(5, 40))))
    return statements


def cases(wordings: Wordings, count: int, *, seed: int = 0) -> tuple[list[str], list[list[Statement]]]:
    """Made-up cases in these wordings: texts, and what they state.

    >>> texts, stated = cases(DEV, 3)
    >>> len(texts), len(stated)
    (3, 3)
    """
    rng = np.random.default_rng(seed)
    stated = [one for one in (draw(rng) for _ in range(2 * count)) if one][:count]
    return [write(one, wordings, rng) for one in stated], stated
