"""Lesson 12: from words to places. Reports are read, used as labels, and point at boxes."""

from __future__ import annotations

from medloc_lib.reports.files import Report, read
from medloc_lib.reports.reading import Reading, f1
from medloc_lib.reports.rules import RuleReader
from medloc_lib.reports.tokens import Vocabulary, bag_of_words, sentences, tokens

__all__ = ["Reading", "Report", "RuleReader", "Vocabulary", "bag_of_words", "f1", "read", "sentences", "tokens"]
