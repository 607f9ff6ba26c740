"""`medloc train` as its user sees it: the model, its page, a kill in between."""

from __future__ import annotations

import re

import numpy as np
import pytest

from medloc_lib.cli import choose, training
from medloc_lib.deep import resuming
from medloc_lib.deep.localizers import UnetLocalizer, load_model
from medloc_lib.errors import InputError
from medloc_lib.localizer import ThresholdLocalizer
from medloc_lib.metrics import bootstrap, dice_by_class
from medloc_lib.sample import Sample
from tests.test_cli import folder, medloc  # noqa: F401 - fixtures

SMALL = ("--set", "epochs=3", "--set", "widths=(4, 8)", "--set", "batch=4")


@pytest.fixture
def trained(medloc, folder, tmp_path):  # noqa: F811
    words = ("train", "--dataset", folder, "--group-by", "patient", "--localizer", "heatmap", "--seed", 2, *SMALL)
    code, out, err = medloc(*words, "--out", tmp_path / "model")
    assert code == 0, err
    return tmp_path / "model", out


def test_it_leaves_a_model_and_its_page(trained):
    place, out = trained
    assert sorted(path.name for path in place.iterdir()) == ["MODEL.md", "model.safetensors"]
    page = (place / "MODEL.md").read_text(encoding="utf-8")
    assert page.strip() == out.strip()
    for said in (
        "Not for clinical use",
        "`mine`",
        " samples to train on, ",
        " patients.",
        "Seed: 2.",
        "| AP 0.3 | ",
        "medloc train --dataset mine --localizer heatmap --seed 2 --group-by patient --set epochs=3 "
        "--set 'widths=(4, 8)' --set batch=4 --out model",
    ):
        assert said in page, said
    assert re.search(r"commit (unknown|[0-9a-f]{7,}\+?)\.", page)
    assert str(place.parent) not in page


def test_the_model_is_ready(trained, folder):  # noqa: F811
    model = load_model(trained[0])
    assert model.get_params()["widths"] == (4, 8)
    assert model.seed == 2
    test = choose.splits(str(folder), group_by="patient").test
    assert len(model.predict(test)) == len(test)


def test_validation_can_be_learned_from_too(medloc, folder, tmp_path):  # noqa: F811
    apart, joined = (choose.splits(str(folder), group_by="patient", with_validation=b) for b in (False, True))
    ids = [s.id for part in (apart.train, apart.validation) for s in part]
    assert [s.id for s in joined.train] == ids
    assert joined.validation is None
    assert [s.id for s in joined.test] == [s.id for s in apart.test]
    words = ("--dataset", folder, "--group-by", "patient", "--localizer", "heatmap", "--with-validation", *SMALL)
    assert medloc("train", *words, "--out", tmp_path / "model")[0] == 0
    page = (tmp_path / "model" / "MODEL.md").read_text(encoding="utf-8")
    assert f"{len(ids)} samples to train on, 0 to choose by" in page
    assert f"; learned from train and validation, {len(ids)} images." in page
    assert "--group-by patient --with-validation --set epochs=3" in page
    assert "| mAP 0.5 | " in page


def test_a_page_tells_dice_where_there_are_masks():
    rng = np.random.default_rng(0)
    mask = np.zeros((16, 24), dtype=int)
    mask[2:8, 3:11], mask[9:15, 12:20] = 1, 2
    boxes = {"boxes": [[2, 3, 8, 11], [9, 12, 15, 20]], "labels": [0, 1], "classes": ("nerve", "vessel")}
    samples = [Sample(rng.normal(size=(1, 16, 24)) + mask, mask=mask, id=str(i), **boxes) for i in range(4)]
    fitted = UnetLocalizer(epochs=1, widths=(4, 6), batch=2, by_class=True).fit(samples)
    splits = choose.Splits("mine", samples, None, samples)
    page = training.card(fitted, splits, command="medloc train", seconds=1.0, title="m")
    overlap = dice_by_class(samples, fitted.predict(samples))
    for k, name in enumerate(("nerve", "vessel")):
        assert f"| Dice of {name} | {bootstrap(overlap[:, k], [''] * 4)} | of masks; mean over images |" in page
    blind = [s.replace(mask=None) for s in samples]
    assert "Dice" not in training.card(
        fitted, choose.Splits("mine", blind, None, blind), command="", seconds=1, title="m"
    )


def test_without_validation_samples_there_are_none_to_learn_from():
    with pytest.raises(InputError, match="no validation samples"):
        choose.joined(choose.Splits("mine", [], None, []))


def test_the_same_command_gives_the_same_model(trained, medloc, folder, tmp_path):  # noqa: F811
    words = ("train", "--dataset", folder, "--group-by", "patient", "--localizer", "heatmap", "--seed", 2, *SMALL)
    assert medloc(*words, "--out", tmp_path / "again")[0] == 0
    one, two = (dict(load_model(place).net_.named_parameters()) for place in (trained[0], tmp_path / "again"))
    assert all(np.array_equal(one[name].detach(), two[name].detach()) for name in one)


def test_after_a_kill_it_goes_on(medloc, folder, tmp_path, monkeypatch):  # noqa: F811
    words = ("train", "--dataset", folder, "--group-by", "patient", "--localizer", "heatmap", *SMALL)
    saved = resuming.save

    def killed(*args, **options):
        saved(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resuming, "save", killed)
        assert medloc(*words, "--out", tmp_path / "model")[0] == 130
    assert (tmp_path / "model" / resuming.NAME).exists()
    seen = []
    monkeypatch.setattr(resuming, "save", lambda *args, **options: seen.append(args[1].step))
    assert medloc(*words, "--out", tmp_path / "model")[0] == 0
    assert len(seen) == 2
    assert not (tmp_path / "model" / resuming.NAME).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--localizer", "threshold"), "medloc train is for networks, and ThresholdLocalizer has none"),
        (("--localizer", "heatmap", "--set", "epochs"), "--set takes name=value"),
        (("--localizer", "heatmap", "--set", "epoch=3"), "no parameter 'epoch'"),
        (("--localizer", "heatmap", "--set", "stride=3"), "stride must be 1, 2 or 4"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(medloc, folder, tmp_path, words, said):  # noqa: F811
    code, out, err = medloc("train", "--dataset", folder, "--group-by", "patient", *words, "--out", tmp_path / "m")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_parameters_are_values_or_words():
    class Named(ThresholdLocalizer):
        def fit(self, samples, y=None, *, validation=None, watch=None):
            return self

        def set_params(self, **params):
            self.told = {**getattr(self, "told", {}), **params}
            return self

    made = training.configure(Named(), ["channel=T1", "threshold=2.5", "min_size=None", "widths=[1, 2]"], 4)
    assert made.told == {"channel": "T1", "threshold": 2.5, "min_size": None, "widths": [1, 2], "seed": 4}


# Options of a data set


def test_a_named_data_set_takes_options(monkeypatch):
    asked = []
    monkeypatch.setattr(choose.registry, "load", lambda name, **options: asked.append((name, options)) or [])
    splits = choose.splits("brain_lesions:dims=3, site='A'")
    assert splits.name == "brain_lesions:dims=3, site='A'"
    assert {o["split"] for _, o in asked} == {"train", "val", "test"}
    assert all(name == "brain_lesions" and o["dims"] == 3 and o["site"] == "A" for name, o in asked)
    assert choose.command("brain_lesions:dims=3", {}, ["heatmap"]).split()[3] == "brain_lesions:dims=3"


@pytest.mark.parametrize("text", ["dims", "3", "dims=3; x", "**{}", "dims=open('x')"])
def test_options_that_cannot_be_read(text):
    with pytest.raises(InputError, match="options of a data set look like"):
        choose.splits(f"brain_lesions:{text}")
