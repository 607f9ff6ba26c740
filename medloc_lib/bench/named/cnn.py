"""Lesson 08: networks that were told whether, and are asked where; and one box by regression."""

from __future__ import annotations

from typing import Any


def _textbook() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import ImageClassifier

    return ImageClassifier(
        "textbook",
        "grad_cam",
        channels=("T2", "FLAIR", "PET"),
        schedule="cosine",
        augment=Augment(rotate=10.0, scale=0.1, gain=0.1, offset=0.1, noise=0.1),
        precision="fast",
    )


def _cam() -> Any:
    from medloc_lib.deep.augment import Augment
    from medloc_lib.deep.localizers import ImageClassifier

    return ImageClassifier(
        "pooled",
        "cam",
        epochs=30,
        rate=3e-3,
        schedule="cosine",
        ema=0.99,
        augment=Augment(crop=144),
        precision="fast",
    )


def _one_box() -> Any:
    from medloc_lib.deep.localizers import OneBoxLocalizer

    return OneBoxLocalizer()


ROWS = {"textbook_cnn": _textbook, "pooled_cam": _cam, "one_box": _one_box}
