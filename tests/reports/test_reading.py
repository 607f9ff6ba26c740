"""Reports read: the simulator's exactly, others by rule, by counting and by networks; scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

import medloc_lib as ml
from medloc_lib.data.lesions.findings import Finding, report
from medloc_lib.errors import InputError, ReadError
from medloc_lib.reports import Reading, RuleReader, f1
from medloc_lib.reports.augmenting import rewrite
from medloc_lib.reports.readers import BagReader, NetReader, Question, questions
from medloc_lib.reports.reading import ASKED
from medloc_lib.reports.simulated import findings, pairs, said, statements
from medloc_lib.reports.statements import KINDS, REGIONS, SIDES, Statement
from medloc_lib.reports.stored import load_reader
from medloc_lib.reports.wordings import DEV, HELD_OUT, cases, write


@pytest.mark.parametrize("seed", range(30))
def test_a_simulated_report_is_read_exactly(seed):
    rng = np.random.default_rng(seed)
    made = [
        Finding(
            int(rng.integers(3)),
            (0, 0, 1, 1),
            9,
            float(40 - 8 * k),
            SIDES[int(rng.integers(3))],
            REGIONS[int(rng.integers(10))],
        )
        for k in range(int(rng.integers(1, 5)))
    ]
    told = [stated for _, stated in findings(report(made, (0, "test", seed), False))]
    assert [(s.kind, s.side, s.region) for s in told] == [(KINDS[f.kind], f.side, f.region) for f in made]
    assert [s.mm for s in told] == pytest.approx([f.mm for f in made], abs=0.51)


def test_denials_of_a_healthy_report():
    text = report([], (0, "test", 3), False)
    assert all(s.whether == "denied" for s in statements(text))


def test_only_the_simulators_reports_are_read_so():
    with pytest.raises(InputError, match="needs a report of the simulator"):
        said("A mass.")


def test_sentences_are_paired_with_their_boxes():
    samples = [ml.load("brain_lesions", split="val")[i] for i in range(40)]
    for pair in pairs(samples):
        sample = samples[pair.image]
        assert sample.classes[sample.labels[pair.box]] == pair.stated.kind
        box = sample.boxes[pair.box]
        mm = np.sqrt(np.prod((box[2:] - box[:2]) * sample.spacing))
        assert pair.stated.mm == pytest.approx(mm, abs=0.51)
        if pair.stated.side != "midline":
            assert ((box[1] + box[3]) / 2 > sample.shape[1] / 2 - 12) or pair.stated.side == "right"


@pytest.mark.parametrize(
    ("text", "kind", "whether", "sides"),
    [
        ("No mass.", "mass", "denied", set()),
        ("No plaque, mass or stroke.", "infarct", "denied", set()),
        ("No mass but a left insular stroke.", "infarct", "present", {"left"}),
        ("A right frontal tumour. No stroke.", "mass", "present", {"right"}),
        ("Stroke cannot be excluded.", "infarct", "possible", set()),
        ("Possible left frontal glioma.", "mass", "possible", {"left"}),
        ("Infarct not seen.", "infarct", "denied", set()),
        ("Follow-up is recommended.", "mass", "", set()),
        ("左侧额叶见肿块，未见梗死。", "mass", "present", {"left"}),
    ],
)
def test_the_rule(text, kind, whether, sides):
    reading = RuleReader().read([text])[0]
    assert (reading.whether[kind], reading.sides[kind]) == (whether, sides)


def test_f1_is_that_of_scikit_learn():
    texts, stated = cases(DEV, 60, seed=1)
    true, told = [Reading.true(one) for one in stated], RuleReader().read(texts)
    keys = [(k, s) for k in KINDS for s in SIDES]
    table = [[[key in r.found("sides") for key in keys] for r in some] for some in (true, told)]
    assert f1(told, true, "sides") == pytest.approx(f1_score(*map(np.array, table), average="micro"))


@pytest.mark.parametrize("wordings", [DEV, HELD_OUT], ids=["development", "held out"])
def test_wordings_name_what_they_state(wordings):
    rng = np.random.default_rng(0)
    for kind in KINDS:
        for side in SIDES:
            text = write([Statement(kind, "present", side, "insula", 12)], wordings, rng)
            assert any(
                name in text.lower() or name in text
                for pair in wordings.names[kind]
                for name in (pair[0], pair[0].lower())
            )
    assert cases(wordings, 5, seed=3) == cases(wordings, 5, seed=3)


def test_the_three_sets_of_sentences_share_no_template():
    own = {*HELD_OUT.present, *HELD_OUT.denied, *HELD_OUT.possible, *HELD_OUT.mixed, *HELD_OUT.both}
    other = {*DEV.present, *DEV.denied, *DEV.possible, *DEV.mixed, *DEV.both}
    assert not own & other


def test_rewritten_sentences_name_the_kinds_they_state():
    for text, stated in rewrite(
        [[Statement("mass", "present", "left", "insula", 9)], [Statement("plaque", "denied")]],
        80,
        np.random.default_rng(0),
    ):
        assert {s.kind for s in stated} <= {question.kind for question in Question.all(text)}


@pytest.fixture(scope="module")
def texts():
    some = [
        [Statement("mass", "present", "left", "insula", 9)],
        [Statement("plaque", "denied")],
        [Statement("mass", "possible", "right", "thalamus")],
    ]
    return rewrite(some, 500, np.random.default_rng(1))


def test_questions_have_the_right_answers():
    stated = [Statement("mass", "denied"), Statement("infarct", "present", "right", "thalamus")]
    asked, right = questions([("No mass, but a right thalamic stroke.", stated)])
    assert [q.kind for q in asked] == ["mass", "infarct"]
    assert right[:, :3].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert right[1, 3:6].tolist() == [0, 1, 0]
    assert right[0, 3:].sum() == 0
    assert asked[1].told.count("rival") == 1


@pytest.mark.parametrize("body", ["recurrent", "convolutional"])
def test_a_network_learns_what_a_bag_cannot(texts, body):
    reader, bag = NetReader(body, epochs=5, device="cpu").fit(texts), BagReader().fit(texts)
    two = "a left frontal mass and a right parietal stroke."
    swapped = "a right frontal mass and a left parietal stroke."
    assert np.allclose(*(bag.answers([Question.all(text)[0]]) for text in (two, swapped)))
    assert not np.allclose(*(reader.answers([Question.all(text)[0]]) for text in (two, swapped)), atol=0.05)


def test_padding_changes_no_answer(texts):
    reader = load_reader()
    short, long = (
        Question.all("No mass.")[0],
        Question.all("A stroke is seen in the left insula, 12 mm, and much else.")[0],
    )
    np.testing.assert_allclose(reader.answers([short]), reader.answers([short, long])[:1], atol=1e-6)


def test_a_reader_is_stored_and_read_again(tmp_path, texts):
    reader = NetReader(epochs=1, device="cpu").fit(texts[:60])
    reader.save(tmp_path / "r.safetensors")
    again = NetReader.load(tmp_path / "r.safetensors")
    asked = Question.all("No mass of the left insula.")
    np.testing.assert_allclose(again.answers(asked), reader.answers(asked), atol=0.02)
    with pytest.raises(ReadError, match="no such file"):
        NetReader.load(tmp_path / "none.safetensors")


def test_the_stored_reader_reads_words_it_never_saw():
    made, stated = cases(DEV, 60, seed=4)
    true = [Reading.true(one) for one in stated]
    told = load_reader().read(made)
    assert all(f1(told, true, what) > 0.9 for what in ("kinds", "sides"))
    assert set(ASKED) == {"kinds", "sides", "regions", "whether"}


def test_nothing_to_learn_from():
    with pytest.raises(InputError, match="needs sentences that name a kind"):
        NetReader().fit([("Sinuses clear.", [])])
