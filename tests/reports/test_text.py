"""Tokens, vocabulary, bag of words, word vectors: against scikit-learn, a closed form, and gradients by PyTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from medloc_lib.errors import InputError
from medloc_lib.reports.embedding import analogy, cosine, neighbours, sgns_step, skip_gram, skip_pairs
from medloc_lib.reports.statements import KINDS, REGIONS, SIDES
from medloc_lib.reports.terms import TAGS, TERMS, chinese, tags, terms
from medloc_lib.reports.tokens import PAD, UNKNOWN, Vocabulary, bag_of_words, sentences, tokens

TEXTS = ["no mass in the left insula", "a mass and a stroke", ""]


def test_the_bag_is_that_of_scikit_learn():
    split = [text.split() for text in TEXTS]
    vocabulary = Vocabulary.of(split)
    theirs = CountVectorizer(vocabulary=list(vocabulary.words[2:]), token_pattern=r"\S+").transform(TEXTS).toarray()
    np.testing.assert_array_equal(bag_of_words(split, vocabulary)[:, 2:], theirs)


def test_unknown_words_are_counted_as_such():
    vocabulary = Vocabulary.of([["mass"]])
    assert bag_of_words([["mass", "stroke", "cva"]], vocabulary).tolist() == [[0, 2, 1]]


def test_a_vocabulary_has_each_word_once():
    with pytest.raises(InputError, match="each word once"):
        Vocabulary((PAD, UNKNOWN, "a", "a"))


def test_sentences_keep_numbers_and_question_marks():
    assert sentences("1.2 cm. ?Mass (12 mm).  No.\nEnd") == ["1.2 cm.", "?Mass (12 mm).", "No.", "End"]
    assert sentences("  ") == []


def test_chinese_and_english_say_the_same():
    assert tags(tokens("左侧额叶见肿块，未见梗死。")) == tags(tokens("left frontal lobe seen mass, no infarct."))


@pytest.mark.parametrize("word", sorted(chinese()))
def test_each_chinese_term_is_cut_whole(word):
    concept = next(c for c, (_, words) in TERMS.items() if word in words.split())
    told = tags(tokens(f"患者{word}。"))
    assert (concept if concept in TAGS else "other") in told


def test_jieba_says_and_writes_nothing(capfd):
    before = set(Path(tempfile.gettempdir()).glob("jieba*"))
    tokens("右侧基底节区")
    assert capfd.readouterr() == ("", "")
    assert set(Path(tempfile.gettempdir()).glob("jieba*")) == before


@pytest.mark.parametrize("concept", [*KINDS, *SIDES, *REGIONS, "deny", "doubt", "turn"])
def test_each_term_is_told_its_concept(concept):
    for term in terms(concept):
        told = tags(tokens(f"xyz {term} xyz"))
        assert set(told) == {"other", concept}, term


def test_the_longest_term_wins():
    assert set(tags(tokens("no mass effect"))) == {"deny", "mass effect"}
    assert tags(tokens("cannot be excluded")) == ["doubt"] * 3


def test_pairs_look_window_words_to_each_side():
    found = skip_pairs([[2, 1, 3, 4]], window=2).tolist()
    assert sorted(found) == sorted([[2, 3], [3, 2], [3, 4], [4, 3]])


def test_a_step_goes_down_the_gradient():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    v, u = (torch.tensor(x, requires_grad=True) for x in (inside, outside))
    logits = u[[3, 4, 5]] @ v[2]
    loss = -torch.nn.functional.logsigmoid(logits * torch.tensor([1.0, -1.0, -1.0])).sum()
    loss.backward()
    told = sgns_step(inside, outside, np.array([2]), np.array([3]), np.array([[4, 5]]), 0.1)
    assert told == pytest.approx(loss.item())
    np.testing.assert_allclose(inside, (v - 0.1 * v.grad).detach().numpy())
    np.testing.assert_allclose(outside, (u - 0.1 * u.grad).detach().numpy())


def test_words_with_the_same_neighbours_come_together():
    rng = np.random.default_rng(0)
    texts = [
        ["in", "the", str(rng.choice(["left", "right"])), "lobe", "is", str(rng.choice(["mass", "stroke"])), "seen"]
        for _ in range(600)
    ]
    vocabulary = Vocabulary.of(texts)
    vectors = skip_gram(texts, vocabulary, dims=8, window=2, epochs=8, batch=32, rate=0.1)
    assert neighbours("left", vectors, vocabulary)[0][0] == "right"
    assert neighbours("mass", vectors, vocabulary)[0][0] == "stroke"


def test_analogy_of_vectors_that_are_a_parallelogram():
    vocabulary = Vocabulary((PAD, UNKNOWN, "a", "b", "c", "d", "e"))
    vectors = np.array([[0, 0], [0, 0], [1, 0], [0.8, 0.6], [0, 1], [-0.2, 1.6], [1, 1.0]])
    assert analogy("a", "b", "c", vectors, vocabulary)[0][0] == "d"
    assert cosine(vectors, np.array([0.0, 2.0]))[4] == 1


def test_what_is_wrong_is_said():
    vocabulary = Vocabulary.of([["a", "b"]])
    with pytest.raises(InputError, match="no word 'c'"):
        neighbours("c", np.ones((4, 2)), vocabulary)
    with pytest.raises(InputError, match="two words"):
        skip_gram([["a"]], vocabulary)
