"""More wordings to train on than the simulator has: synonyms from the vocabulary, other orders, sentences joined.

A reader that has seen the simulator's thirty sentence forms reads those. `rewrite` says the same statements in ever new
words: names, sides and places are swapped for synonyms of `terms`, denials and doubts use the cues of NegEx and ConText
in front of or behind what they are about, and clauses stand in any order. It was made without the held-out wordings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medloc_lib.reports.statements import KINDS, REGIONS, SIDES, Statement
from medloc_lib.reports.terms import terms

BEFORE_DENIED = (
    "no",
    "no evidence of",
    "without",
    "without evidence of",
    "absence of",
    "negative for",
    "free of",
    "no sign of",
    "no signs of",
    "no definite",
    "no convincing",
    "no suggestion of",
    "no findings of",
    "no other",
    "fails to reveal",
    "does not demonstrate",
    "does not reveal",
    "we do not see",
    "with no",
    "nothing to suggest",
    "neither",
    "there is no",
    "unremarkable for",
    "rules out",
    "not",
)
AFTER_DENIED = (
    "is ruled out",
    "was ruled out",
    "has been ruled out",
    "ruled out",
    "excluded",
    "not seen",
    "is not seen",
    "not present",
    "not demonstrated",
    "not appreciated",
    "is absent",
    "absent",
    "unlikely",
    ": no",
    ": none",
    ": negative",
    "no longer seen",
)
BEFORE_DOUBTED = (
    "possible",
    "possibly",
    "probable",
    "probably",
    "likely",
    "may represent",
    "might represent",
    "could be",
    "may reflect",
    "suspicious for",
    "suspicion of",
    "concerning for",
    "worrisome for",
    "equivocal",
    "questionable",
    "cannot exclude",
    "cannot rule out",
    "differential includes",
    "nonspecific ,",
    "perhaps",
    "uncertain whether",
    "query",
    "?",
)
AFTER_DOUBTED = (
    "cannot be excluded",
    "cannot be ruled out",
    "is not excluded",
    "is suspected",
    "is possible",
    "is one possibility",
    "should be considered",
    "is in the differential",
    "is likely",
    "is probable",
    "?",
    ": equivocal",
)
BEFORE_SEEN = (
    "there is",
    "evidence of",
    "consistent with",
    "compatible with",
    "in keeping with",
    "findings represent",
    "definite",
    "obvious",
    "convincing",
    "suggestive of",
    "we see",
    "images show",
    "positive for",
    "impression :",
    "",
    "",
    "",
)
AFTER_SEEN = ("is present", "is seen", "are present", "is evident", "are noted", ": present", "", "", "", "")
LOOKS = (
    "bright on FLAIR",
    "of mixed signal",
    "dark on T1",
    "without mass effect",
    "reaching the surface",
    "with reduced uptake on PET",
    "poorly delineated",
    "of ovoid shape",
    "no enhancement",
    "not enhancing",
)
APART = (
    "no mass effect",
    "no midline shift",
    "the ventricles are normal",
    "no haemorrhage",
    "the {opposite} hemisphere is normal",
    "{opposite} side unremarkable",
    "nothing on the {opposite}",
    "the {opposite} is clear",
    "unchanged",
    "follow up is recommended",
)
AND = ("and", ",", ";", "with", "as well as", "together with", ", also", ", in addition", "plus", "and also")
TURN = ("but", ", but", ", however", ";", ",", "and", ", with", ". ", ", although", ", though", "while", "with")
DETERMINERS = ("a", "the", "", "", "an", "one", "some")
LOCATED = ("in", "of", "within", "at", "affecting", "involving", "along", "near")


class Rewriter:
    """Says statements in words of its own, with one generator.

    >>> Rewriter(np.random.default_rng(4)).sentence([Statement("infarct", "denied"), Statement("mass", "denied")])
    'not one vascular insult , some glioma.'
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def sentence(self, statements: Sequence[Statement]) -> str:
        """One sentence that says all these statements, which should be few."""
        sure = [s for s in statements if s.whether == "present"]
        doubted = [s for s in statements if s.whether == "possible"]
        denied = [s for s in statements if s.whether == "denied"]
        clauses = []
        if sure:
            clauses.append(self._wrapped(self._some(sure), BEFORE_SEEN, AFTER_SEEN, both=0.3))
        if doubted:
            clauses.append(self._wrapped(self._some(doubted), BEFORE_DOUBTED, AFTER_DOUBTED))
        if denied:
            clauses.append(self._wrapped(self._denied(denied), BEFORE_DENIED, AFTER_DENIED))
        if self.rng.random() < 0.15:
            clauses.append(self._apart(statements))
        self.rng.shuffle(clauses)
        if len(clauses) == 2 and self.rng.random() < 0.3:  # a turn may stand in front: although no x, a y
            start = self.pick(("although", "while", "apart from", "besides", "aside from", "except for", "though"))
            clauses = [f"{start} {clauses[0]}, {clauses[1]}"]
        text = clauses[0]
        for clause in clauses[1:]:
            text += f" {self.pick(TURN)} {clause}"
        return text + self.pick((".", ".", "", ";"))

    def pick(self, options: Sequence[str]) -> str:
        """One of them."""
        return options[int(self.rng.integers(len(options)))]

    def _wrapped(self, text: str, before: Sequence[str], after: Sequence[str], *, both: float = 0.0) -> str:
        share = self.rng.random()
        if share < both:
            return f"{self.pick(before)} {text} {self.pick(after)}"
        return f"{self.pick(before)} {text}" if share < both + 0.6 * (1 - both) else f"{text} {self.pick(after)}"

    def _some(self, statements: Sequence[Statement]) -> str:
        text = self._finding(statements[0])
        for statement in statements[1:]:
            text += f" {self.pick(AND)} {self._finding(statement)}"
        return text

    def _denied(self, statements: Sequence[Statement]) -> str:
        names = [
            f"{self.pick(DETERMINERS)} {self.pick(terms(s.kind))}" if not s.side else self._finding(s)
            for s in statements
        ]
        last = self.pick(("or", "and", "nor", ", or", "/", ","))
        return f" {last} ".join([" , ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]

    def _finding(self, statement: Statement) -> str:
        name = self.pick(terms(statement.kind))
        the = self.pick(DETERMINERS)
        more = self._more(statement)
        if not statement.region:
            return f"{the} {name} {more}"
        side, region = self.pick(terms(statement.side)), self.pick(terms(statement.region))
        in_the = f"{self.pick(LOCATED)} {self.pick(('the', 'the', ''))}"
        behind = self.pick(
            ("on the {}", "{}", "at the {}", "( {} )", "of the {} hemisphere", ", {}", ", on the {} side")
        )
        place = f"{side} {region}" if self.rng.random() < 0.6 else f"{region} {behind.format(side)}"
        form = self.pick(
            (
                "{the} {place} {name} {more}",
                "{the} {name} {in_the} {place} {more}",
                "{the} {name} {more} {in_the} {place}",
                "{in_the} {place} {the} {name} {more}",
                "{in_the} {place} {more} {the} {name}",
                "{place} : {name} {more}",
                "{name} : {place} {more}",
                "{name} ( {place} ) {more}",
                "{name} {place} {more}",
            )
        )
        return form.format(the=the, place=place, name=name, more=more, in_the=in_the)

    def _more(self, statement: Statement) -> str:
        parts = []
        if statement.mm and self.rng.random() < 0.5:
            mm = f"{statement.mm:.0f} mm" if self.rng.random() < 0.7 else f"{statement.mm / 10:.1f} cm"
            parts.append(self.pick(("{}", ", {}", "measuring {}", "of {}", "( {} )", "of about {}")).format(mm))
        if self.rng.random() < 0.15:
            parts.append(", " + self.pick(LOOKS))
        return " ".join(parts)

    def _apart(self, statements: Sequence[Statement]) -> str:
        sides = {s.side for s in statements} & {"left", "right"}
        text = self.pick(APART)
        if "{opposite}" in text and len(sides) != 1:
            return "the ventricles are normal"
        return text.replace("{opposite}", "left" if "right" in sides else "right")


def shuffled(statement: Statement, rng: np.random.Generator) -> Statement:
    """A statement with another kind, side and place: what a sentence means must not hang on what is frequent.

    >>> shuffled(Statement("mass", "denied"), np.random.default_rng(0)).whether
    'denied'
    """
    kind = KINDS[int(rng.integers(3))]
    if not statement.region:
        return Statement(kind, statement.whether)
    side = SIDES[int(rng.choice(3, p=(0.45, 0.45, 0.1)))]
    return Statement(kind, statement.whether, side, REGIONS[int(rng.integers(len(REGIONS)))], statement.mm)


def rewrite(
    stated: Sequence[Sequence[Statement]], count: int, rng: np.random.Generator
) -> list[tuple[str, list[Statement]]]:
    """New sentences, each with the statements of one to three of the given sentences, with kinds and places shuffled.

    Parameters
    ----------
    stated : what sentences of the training reports say.
    count : how many to make.
    """
    some = [list(one) for one in stated if one]
    writer = Rewriter(rng)
    made: list[tuple[str, list[Statement]]] = []
    while len(made) < count:
        chosen = [some[int(i)] for i in rng.integers(len(some), size=int(rng.choice((1, 2, 3), p=(0.4, 0.4, 0.2))))]
        new = [shuffled(statement, rng) for one in chosen for statement in one[: int(rng.integers(1, 4))]]
        whether: dict[str, str] = {}
        kept = [s for s in new if whether.setdefault(s.kind, s.whether) == s.whether]
        kept = [s for i, s in enumerate(kept) if s.whether != "denied" or s.kind not in [t.kind for t in kept[:i]]]
        made.append((writer.sentence(kept[:4]), kept[:4]))
    return made
