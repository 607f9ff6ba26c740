"""Lesson 13: pictures beside other evidence. What a detector found, blood and genes, fused and explored."""

from __future__ import annotations

from medloc_lib.multimodal.attention import AttentionFusion, AttentionNet
from medloc_lib.multimodal.finds import CHANNELS, MEASURES, Finds, find, read_finds, save_finds
from medloc_lib.multimodal.fusion import (
    EarlyFusion,
    LateFusion,
    blocks_of,
    drop_sources,
    logistic,
    permutation_by_source,
    present,
)
from medloc_lib.multimodal.many import PolygenicScore, association, benjamini_hochberg, permutation_test
from medloc_lib.multimodal.patients import (
    IMAGE,
    SUBTYPE,
    Patients,
    image_source,
    mass_embedding,
    mass_source,
    masses,
    patients,
    read_cohort,
)
from medloc_lib.multimodal.points import FindSpace
from medloc_lib.multimodal.prior import EvidenceLocalizer

__all__ = [
    "CHANNELS",
    "IMAGE",
    "MEASURES",
    "SUBTYPE",
    "AttentionFusion",
    "AttentionNet",
    "EarlyFusion",
    "EvidenceLocalizer",
    "FindSpace",
    "Finds",
    "LateFusion",
    "Patients",
    "PolygenicScore",
    "association",
    "benjamini_hochberg",
    "blocks_of",
    "drop_sources",
    "find",
    "image_source",
    "logistic",
    "mass_embedding",
    "mass_source",
    "masses",
    "patients",
    "permutation_by_source",
    "permutation_test",
    "present",
    "read_cohort",
    "read_finds",
    "save_finds",
]
