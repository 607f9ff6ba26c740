"""The stored reader and grounder, and the texts that readers are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medloc_lib.deep.localizers import HeatmapLocalizer, load_model
from medloc_lib.deep.localizers.stored import models_folder
from medloc_lib.errors import ReadError
from medloc_lib.reports.augmenting import rewrite
from medloc_lib.reports.grounding import Grounder
from medloc_lib.reports.readers import NetReader
from medloc_lib.reports.simulated import said
from medloc_lib.reports.statements import Statement
from medloc_lib.sample import Sample

REPORTS, REWRITTEN = 500, 4000
"""Reports that a reader is trained on, and sentences in other words that are made of them."""


def folder() -> Path:
    """Where the models of this lesson lie."""
    return models_folder() / "reports"


def training_texts(
    samples: Sequence[Sample], *, rewritten: int = REWRITTEN, seed: int = 0
) -> list[tuple[str, list[Statement]]]:
    """Sentences of the simulator's reports with what they state, and as many more in other words as are asked for."""
    some = (samples[i] for i in range(min(REPORTS, len(samples))))
    own = [pair for sample in some if sample.report for pair in said(sample.report)]
    return own + rewrite([stated for _, stated in own], rewritten, np.random.default_rng(seed))


def load_reader() -> NetReader:
    """The recurrent reader that comes with the kit."""
    return NetReader.load(folder() / "reader.safetensors")


def load_grounder() -> Grounder:
    """The grounder that comes with the kit, on the stored detector of lesson 09."""
    detector = load_model("brain_lesions_heatmap")
    if not isinstance(detector, HeatmapLocalizer):
        raise ReadError(folder(), "needs the stored heat-map detector brain_lesions_heatmap beneath it")
    return Grounder.load(folder() / "grounder.safetensors", detector)
