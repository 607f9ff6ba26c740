"""The stored reader and the texts that readers are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medloc_lib.deep.localizers.stored import models_folder
from medloc_lib.reports.augmenting import rewrite
from medloc_lib.reports.readers import NetReader
from medloc_lib.reports.simulated import said
from medloc_lib.reports.wordings import Statement
from medloc_lib.sample import Sample

REWRITTEN = 4000
"""Sentences in other words that are made for training."""


def folder() -> Path:
    """Where the models of this lesson lie."""
    return models_folder() / "reports"


def training_texts(
    samples: Sequence[Sample], *, rewritten: int = REWRITTEN, seed: int = 0
) -> list[tuple[str, list[Statement]]]:
    """Sentences of the simulator's reports with what they state, and as many more in other words as are asked for."""
    own = [pair for sample in samples if sample.report for pair in said(sample.report)]
    return own + rewrite([stated for _, stated in own], rewritten, np.random.default_rng(seed))


def load_reader() -> NetReader:
    """The recurrent reader that comes with the kit."""
    return NetReader.load(folder() / "reader.safetensors")
