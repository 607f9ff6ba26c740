"""`make mutate`: break each lesson's core functions, one way at a time, and see that the lesson's notebook then fails.

A check that cannot fail checks nothing. For each function below the notebook runs under nbval in a kernel where that
function gives back its first argument ("input"), zeros of its own result's shape ("zeros"), or its own result in
another order ("shuffled"). A notebook that still passes is a survivor, and the command fails. It fails too where a
notebook does not pass unbroken: then being caught would mean nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.lessons import runnable

ROOT = Path(__file__).resolve().parent.parent

CORE: dict[str, dict[str, tuple[str, ...]]] = {
    "00_start_here": {
        "medloc_lib.geometry.boxes:iou": ("zeros", "shuffled"),
        "medloc_lib.geometry.boxes:mask_to_boxes": ("zeros",),
        "medloc_lib.metrics.detection:average_precision": ("zeros",),
        "medloc_lib.metrics.detection:froc": ("zeros",),
        "medloc_lib.metrics.resampling:paired_difference": ("zeros",),
    },
    "01_images": {
        "medloc_lib.data.dicom.reading:read": ("zeros", "shuffled"),
        "medloc_lib.geometry.space:index_to_mm": ("zeros", "shuffled"),
        "medloc_lib.geometry.space:boxes_to_mm": ("zeros", "shuffled"),
        "medloc_lib.data.samples:mni152": ("zeros",),
    },
    "02_enhancement": {
        "medloc_lib.enhancement.histogram:equalize": ("input", "zeros"),
        "medloc_lib.enhancement.clahe:clahe": ("input",),
        "medloc_lib.enhancement.noise:non_local_means": ("input",),
        "medloc_lib.enhancement.restoration:correct_bias": ("input",),
        "medloc_lib.enhancement.measures:cnr": ("zeros",),
    },
    "03_fusion": {
        "medloc_lib.fusion.pixel:weighted": ("zeros", "shuffled"),
        "medloc_lib.fusion.weights:find_weights": ("zeros",),
        "medloc_lib.fusion.registration:register": ("zeros",),
        "medloc_lib.fusion.quality:edge_preservation": ("zeros",),
        "medloc_lib.localizer.merged:weighted_box_fusion": ("zeros",),
    },
    "04_segmentation": {
        "medloc_lib.segmentation.feature:grow": ("zeros",),
        "medloc_lib.segmentation.mixture:mixture": ("shuffled",),
        "medloc_lib.segmentation.boundary:watershed": ("shuffled",),
        "medloc_lib.segmentation.cooccurrence:cooccurrence": ("zeros",),
        "medloc_lib.segmentation.strokes:PixelClassifier.predict": ("zeros",),
    },
    "05_supervised": {
        "medloc_lib.classical.candidates:best_overlaps": ("zeros",),
        "medloc_lib.classical.features.firstorder:first_order": ("zeros",),
        "medloc_lib.classical.supervised:offsets": ("zeros",),
        "medloc_lib.classical.supervised:moved": ("input",),
        "medloc_lib.classical.supervised:lesion_scores": ("shuffled",),
    },
    "06_unsupervised": {
        "medloc_lib.classical.unsupervised.som:nearest": ("zeros",),
        "medloc_lib.classical.unsupervised.som:u_matrix": ("shuffled",),
        "medloc_lib.classical.unsupervised.eigenbrains:usual_part": ("input",),
        "medloc_lib.classical.unsupervised.eigenbrains:to_frame": ("zeros",),
        "medloc_lib.classical.unsupervised.clusters:rarity": ("zeros",),
    },
    "07_semisupervised": {
        "medloc_lib.classical.semisupervised.correction:prior_shift": ("zeros",),
        "medloc_lib.classical.semisupervised.correction:density_ratio": ("shuffled",),
        "medloc_lib.classical.semisupervised.confident:likely_wrong": ("zeros",),
        "medloc_lib.classical.semisupervised.pseudo:self_train": ("zeros",),
    },
    "08_cnn": {
        "medloc_lib.deep.explain:class_activation_map": ("zeros", "shuffled"),
        "medloc_lib.deep.explain:grad_cam": ("shuffled",),
        "medloc_lib.deep.explain:occlusion": ("zeros",),
        "medloc_lib.metrics.classification:balanced_accuracy": ("zeros",),
        "medloc_lib.deep.nets:count": ("zeros",),
    },
    "09_detector": {
        "medloc_lib.deep.heatmap:target": ("zeros",),
        "medloc_lib.deep.heatmap:decode": ("shuffled",),
        "medloc_lib.deep.heatmap:focal_loss": ("zeros",),
        "medloc_lib.deep.heatmap:giou": ("zeros",),
        "medloc_lib.deep.paste:paste": ("input",),
        "medloc_lib.deep.localizers.segmenter:mask_to_detections": ("zeros",),
    },
    "10_generalization": {
        "medloc_lib.deep.randomize:bend": ("zeros",),
        "medloc_lib.deep.localizers.ensemble:merged": ("zeros",),
        "medloc_lib.deep.localizers.ensemble:member_scores": ("zeros",),
        "medloc_lib.metrics.calibration:reliability": ("zeros",),
        "medloc_lib.metrics.calibration:rescale": ("shuffled",),
    },
    "11_sequences": {
        "medloc_lib.deep.sequence.features:slice_features": ("zeros",),
        "medloc_lib.deep.sequence.linking:link": ("zeros",),
        "medloc_lib.deep.sequence.model:span": ("zeros",),
        "medloc_lib.deep.sequence.model:SequenceModel.predict": ("shuffled",),
        "medloc_lib.deep.sequence.nets:gradient_by_distance": ("zeros",),
        "medloc_lib.deep.sequence.uptake:curves": ("zeros",),
    },
    "12_reports": {
        "medloc_lib.reports.tokens:tokens": ("zeros", "shuffled"),
        "medloc_lib.reports.tokens:bag_of_words": ("zeros",),
        "medloc_lib.reports.embedding:sgns_step": ("zeros",),
        "medloc_lib.reports.rules:scope": ("input",),
        "medloc_lib.reports.reading:f1": ("zeros",),
        "medloc_lib.reports.grounding:contrastive_loss": ("zeros",),
        "medloc_lib.reports.weak:zones": ("zeros",),
        "medloc_lib.reports.files:read": ("zeros",),
    },
    "13_evidence": {
        "medloc_lib.multimodal.many:benjamini_hochberg": ("zeros", "shuffled"),
        "medloc_lib.multimodal.many:association": ("shuffled",),
        "medloc_lib.multimodal.fusion:present": ("zeros",),
        "medloc_lib.multimodal.patients:mass_source": ("shuffled",),
        "medloc_lib.multimodal.finds:read_finds": ("shuffled",),
        "medloc_lib.multimodal.prior:EvidenceLocalizer.log_prior": ("zeros",),
    },
    "20_blood_cells": {
        "medloc_lib.metrics.detection:average_precision": ("zeros",),
        "medloc_lib.geometry.boxes:iou": ("zeros",),
        "medloc_lib.deep.localizers.detector:HeatmapLocalizer.predict": ("shuffled",),
        "medloc_lib.deep.augment:move_boxes": ("input",),
    },
    "21_ultrasound": {
        "medloc_lib.data.duplicates:perceptual_hash": ("zeros",),
        "medloc_lib.data.duplicates:best_correlation": ("shuffled",),
        "medloc_lib.metrics.masks:dice": ("zeros",),
        "medloc_lib.deep.localizers.segmenter:mask_to_detections": ("zeros",),
    },
    "22_hippocampus": {
        "medloc_lib.metrics.organs:organ_scores": ("zeros",),
        "medloc_lib.metrics.organs:label_map": ("zeros",),
        "medloc_lib.localizer.atlas:organs": ("zeros",),
        "medloc_lib.localizer.atlas:resized": ("zeros",),
        "medloc_lib.metrics.masks:dice": ("zeros",),
        "medloc_lib.deep.augment:apply_affine": ("zeros",),
    },
}
"""Lesson -> core function -> the ways in which it is broken (those that change what the function means)."""

STARTUP = """
import importlib, sys
import numpy as np

def broken(original, way):
    def spoil(value):
        if isinstance(value, np.ndarray):
            if way == "zeros":
                return np.zeros_like(value)
            other = np.random.default_rng(0).permutation(value.ravel()).reshape(value.shape)
            return value.ravel()[::-1].reshape(value.shape) if np.array_equal(other, value) else other
        if hasattr(value, "new_zeros"):  # a tensor
            return value.new_zeros(value.shape) if way == "zeros" else value.flatten().flip(0).reshape(value.shape)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        return type(value)(0) if way == "zeros" else type(value)(-value)
    def mutant(*args, **kwargs):
        if way == "input":
            return args[0]
        value = original(*args, **kwargs)
        if isinstance(value, tuple):
            parts = [spoil(v) for v in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if hasattr(value, "__dataclass_fields__"):
            for name in value.__dataclass_fields__:
                object.__setattr__(value, name, spoil(getattr(value, name)))
            return value
        if isinstance(value, list):
            return [] if way == "zeros" else value[::-1]
        return spoil(value)
    return mutant

module, name = TARGET.split(":")
owner = importlib.import_module(module)
*path, last = name.split(".")
for part in path:
    owner = getattr(owner, part)
original = getattr(owner, last)
mutant = broken(original, WAY) if WAY else original
setattr(owner, last, mutant)
for other in [m for n, m in sys.modules.items() if n.startswith("medloc_lib")]:
    for key, value in list(vars(other).items()):
        if value is original:
            setattr(other, key, mutant)
"""


def survives(lesson: str, target: str, way: str) -> bool:
    """Whether the lesson's notebook passes although `target` is broken; with no `way`, whether it passes as it is."""
    with tempfile.TemporaryDirectory() as folder:
        startup = Path(folder) / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "00-mutate.py").write_text(f"TARGET, WAY = {target!r}, {way!r}\n{STARTUP}", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--nbval-lax"]
        command += [str(ROOT / "notebooks" / f"{lesson}.ipynb")]
        command += ["--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
        env = {**os.environ, "IPYTHONDIR": folder}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest could not run {lesson}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main() -> int:
    """Run the mutations of the lessons that the command line names, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lessons", nargs="*", help=f"default: all ({', '.join(CORE)})")
    named = parser.parse_args().lessons or list(CORE)
    lessons = [path.stem for path in runnable(map(Path, named))]
    jobs = [(lesson, target, way) for lesson in lessons for target, ways in CORE[lesson].items() for way in ways]
    sound = [(lesson, next(iter(CORE[lesson])), "") for lesson in lessons]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        passes = list(pool.map(lambda job: survives(*job), sound))
        fails = [lesson for lesson, fine in zip(lessons, passes, strict=True) if not fine]
        if fails:
            print(f"not passing unbroken: {', '.join(fails)}; run make test first")
            return 1
        outcomes = list(pool.map(lambda job: survives(*job), jobs))
    for (lesson, target, way), alive in zip(jobs, outcomes, strict=True):
        print(f"{'SURVIVED' if alive else 'caught':9s} {lesson}  {target}  {way}")
    print(f"{outcomes.count(False)} caught, {outcomes.count(True)} survived")
    return int(any(outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
