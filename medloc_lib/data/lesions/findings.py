"""The lesions that can be seen in a scan, and the report on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medloc_lib.data.lesions.imaging import Scan
from medloc_lib.data.lesions.lesions import CLASSES, INFARCT, MASS, PLAQUE
from medloc_lib.data.lesions.streams import Key, stream
from medloc_lib.data.lesions.template import region


@dataclass(frozen=True)
class Finding:
    """One lesion as it can be seen: its class, box, size in voxels, size in mm, side and region."""

    kind: int
    box: tuple[float, ...]
    voxels: int
    mm: float
    side: str
    region: str


def find(scan: Scan, spacing: Sequence[float]) -> list[Finding]:
    """The connected lesions of a scan, by class and then by first pixel: the order of `geometry.mask_to_boxes`.

    A scan of one plane gives boxes of rows and columns.
    """
    flat = len(scan.mask) == 1
    mask = scan.mask[0] if flat else scan.mask
    steps = tuple(spacing)[-mask.ndim :]
    findings = []
    for kind in range(len(CLASSES)):
        inside = mask == kind + 1
        if not inside.any():
            continue
        labels, _ = ndimage.label(inside, structure=np.ones((3,) * mask.ndim))
        for i, window in enumerate(ndimage.find_objects(labels)):
            mine = labels[window] == i + 1
            where = (slice(0, 1), *window) if flat else window
            at = scan.at[:, *where].reshape(3, *mine.shape)[:, mine]
            z, y, x = (float(v) for v in np.median(at, axis=1))
            near = float(np.median(scan.ventricle[where].reshape(mine.shape)[mine]))
            sides = [s.stop - s.start for s in window]
            box = (*(float(s.start) for s in window), *(float(s.stop) for s in window))
            mm = float(np.prod([n * step for n, step in zip(sides, steps, strict=True)]) ** (1 / mask.ndim))
            side = "midline" if abs(x) < 5 else "left" if x > 0 else "right"
            findings.append(Finding(kind, box, int(mine.sum()), mm, side, region(z, y, x, near)))
    return findings


NAMES = {
    MASS: ("mass", "space-occupying lesion", "tumour"),
    PLAQUE: ("demyelinating plaque", "focus of demyelination", "hyperintense plaque", "white matter lesion"),
    INFARCT: ("infarct", "ischaemic lesion", "wedge-shaped infarct", "area of infarction"),
}
LOOKS = {
    MASS: ("of mixed signal", "dark on T1", "bright on T2", "poorly delineated", "hyperintense on T2 and FLAIR"),
    PLAQUE: ("bright on FLAIR and T2", "without mass effect", "of ovoid shape", "hyperintense on FLAIR"),
    INFARCT: ("with reduced uptake on PET", "reaching the surface", "hypometabolic", "involving the cortex"),
}
DENIED = {
    MASS: ("No space-occupying lesion.", "There is no mass effect.", "No evidence of a tumour."),
    PLAQUE: ("No demyelinating lesions.", "No plaques are seen.", "White matter without plaques."),
    INFARCT: ("No evidence of an infarct.", "No territorial ischaemia.", "The cortex is intact."),
}
DISEASE = {MASS: "a mass lesion", PLAQUE: "demyelinating disease", INFARCT: "a cortical infarct"}
OPENING = ("{} with PET.", "{}: T1, T2, FLAIR and FDG PET.", "Technique: {} (T1, T2, FLAIR), FDG PET.")
NOTHING = ("No focal lesion.", "No focal signal abnormality is seen.", "Unremarkable; no mass, plaque or infarct.")
NORMAL = (
    "Choroid plexus unremarkable.",
    "Mild periventricular caps, within normal limits.",
    "Flow artefact in the ventricles.",
)
SURE = ("{}.", "findings in keeping with {}.", "most likely {}.", "suggestive of {}.")
UNSURE = ("{} cannot be excluded.", "possibly {}.", "nonspecific; {} is one possibility.")
WELL = ("normal.", "no acute finding.", "within normal limits for age.")
ADVICE = ("Follow-up is recommended.", "Correlate clinically.", "Comparison with earlier images would help.")


def report(findings: list[Finding], key: Key, volume: bool) -> str:
    """A radiologist's text on what can be seen, in varied words; it says itself that it is simulated."""
    rng = stream(*key, "report")

    def say(choices: Sequence[str]) -> str:
        return choices[int(rng.integers(len(choices)))]

    lines = [say(OPENING).format("MR of the brain" if volume else "Single axial MR slice of the brain")]
    shown = sorted(findings, key=lambda finding: -finding.mm)
    lines += [_sentence(finding, say) for finding in shown[:4]]
    if len(shown) > 4:
        same = len({finding.kind for finding in shown}) == 1
        name = say(("similar", "smaller")) if same else "further"
        lines.append(
            say(("There are {} {} lesions.", "In addition, {} {} foci are seen.")).format(len(shown) - 4, name)
        )
    if not findings:
        lines.append(say(NOTHING))
    present = {finding.kind for finding in findings}
    lines += [say(words) for kind, words in DENIED.items() if kind not in present and rng.random() < 0.45]
    if rng.random() < 0.4:
        lines.append(say(NORMAL))
    if not findings:
        lines.append(f"Impression: {say(WELL)}")
    else:
        kind = max(present, key=lambda k: sum(finding.mm for finding in findings if finding.kind == k))
        lines.append("Impression: " + say(UNSURE if shown[0].mm < 6 else SURE).format(DISEASE[kind]))
        if rng.random() < 0.4:
            lines.append(say(ADVICE))
    return " ".join([*lines, "(Simulated report.)"])


def _sentence(finding: Finding, say: Callable[[Sequence[str]], str]) -> str:
    size, name = max(round(finding.mm), 1), say(NAMES[finding.kind])
    if finding.side == "midline":
        place = say(("in the {}, near the midline", "in the midline of the {}")).format(finding.region)
    else:
        place = f"in the {finding.side} {finding.region}"
    there = place[0].upper() + place[1:]
    if finding.mm < 5:
        doubt = say(("tiny", "punctate", "questionable", "faint"))
        forms: tuple[str, ...] = (
            f"A {doubt} {name} {place}, {size} mm.",
            f"{there}, possibly {_a(name)} of about {size} mm.",
        )
    else:
        looks, amount = say(LOOKS[finding.kind]), say((f"{size} mm", f"about {size} mm", f"{size / 10:.1f} cm"))
        forms = (
            f"There is {_a(name)} {place}, {amount}, {looks}.",
            f"{there} {_a(name)} measuring {amount}, {looks}.",
            f"{name[0].upper()}{name[1:]} {place} ({amount}), {looks}.",
        )
    return say(forms)


def _a(name: str) -> str:
    """The name with its article.

    >>> _a("infarct"), _a("mass")
    ('an infarct', 'a mass')
    """
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
