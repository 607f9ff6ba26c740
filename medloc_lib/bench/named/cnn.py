"""Lesson 08: networks that were told whether, and are asked where; and one box by regression."""

from __future__ import annotations

from typing import Any


def _textbook() -> Any:
    from medloc_lib.deep.localizers import ImageClassifier

    return ImageClassifier("textbook", "grad_cam")


def _cam() -> Any:
    from medloc_lib.deep.localizers import ImageClassifier

    return ImageClassifier("pooled", "cam", rate=3e-3, schedule="cosine")


def _one_box() -> Any:
    from medloc_lib.deep.localizers import OneBoxLocalizer

    return OneBoxLocalizer()


ROWS = {"textbook_cnn": _textbook, "pooled_cam": _cam, "one_box": _one_box}
