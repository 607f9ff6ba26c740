"""Organs by a U-Net: parted where they touch, once each, in volumes of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medloc_lib.cli import training
from medloc_lib.cli.choose import Splits
from medloc_lib.deep.augment import Augment
from medloc_lib.deep.localizers import OrganLocalizer, load_model, save_model
from medloc_lib.deep.localizers.organ import centred
from medloc_lib.errors import InputError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.localizer import check_localizer
from medloc_lib.metrics import organ_scores
from medloc_lib.sample import Sample


def volumes(n, seed, shape=(14, 18, 16)):
    """Noise with a bright block that touches a brighter one, on scales that differ by a thousand; sizes vary."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        size = [side - int(rng.integers(0, 3)) for side in shape]
        mask = np.zeros(size, np.uint8)
        a, b, c = rng.integers(2, 5, 3)
        mask[a : a + 6, b : b + 4, c : c + 6], mask[a : a + 6, b + 4 : b + 9, c : c + 6] = 1, 2
        image = (10 + rng.normal(0, 1, size) + 4 * (mask == 1) + 9 * (mask == 2)) * rng.choice([1, 1000])
        boxes, values = mask_to_boxes(mask)
        classes = ("dim", "bright")
        made.append(Sample(image[None], boxes=boxes, labels=values - 1, mask=mask, classes=classes, id=f"{seed}-{i}"))
    return made


@pytest.fixture(scope="module")
def fitted():
    localizer = OrganLocalizer(widths=(8, 16), augment=None, epochs=15, batch=4, rate=0.01, ema=0.9)
    return localizer.fit(volumes(12, 0), validation=volumes(4, 1))


def test_the_contract():
    check_localizer(OrganLocalizer(widths=(4, 8), epochs=1))


def test_it_parts_what_touches(fitted):
    test = volumes(6, 2)
    scores = organ_scores(test, fitted.predict(test))
    assert scores.dice.mean() > 0.9 and np.median(scores.center) < 1


def test_epochs_are_judged_by_dice(fitted):
    known = [epoch.score for epoch in fitted.history_.epochs if epoch.score is not None]
    assert len(known) == 5 and fitted.history_.best.score == max(known)
    val = volumes(4, 1)
    assert organ_scores(val, fitted.predict(val)).dice.mean() == pytest.approx(max(known), abs=1e-3)


def test_a_file_gives_it_back(fitted, tmp_path):
    fitted.set_params(augment=Augment(rotate=(5.0, 6.0, 7.0), flip=()))
    save_model(fitted, tmp_path / "model.safetensors")
    again = load_model(tmp_path)
    assert again.augment == fitted.augment and type(again) is OrganLocalizer
    test = volumes(2, 3)
    one, two = organ_scores(test, fitted.predict(test)), organ_scores(test, again.predict(test))
    assert two.dice == pytest.approx(one.dice, abs=0.02)


def test_it_needs_masks():
    with pytest.raises(InputError, match="has none"):
        OrganLocalizer().fit([volumes(1, 0)[0].replace(mask=None)])


def test_pictures_lie_in_the_middle_with_their_border_around():
    small = torch.arange(6.0).reshape(1, 1, 2, 3)
    made, same = centred([small, torch.zeros(1, 2, 5, 3)])
    assert made.shape == same.shape == (1, 2, 5, 3)
    assert torch.equal(made[0, 0, 1:3], small[0, 0]) and torch.equal(made[0, 1, 4], small[0, 0, 1])


def test_its_page_gives_dice_by_class(fitted):
    test = volumes(4, 4)
    page = training.card(fitted, Splits("toys", [], None, test), command="x", seconds=1, title="t")
    dice = organ_scores(test, fitted.predict(test)).dice
    assert f"| Dice of bright | {dice[:, 1].mean():.3f} [" in page and f"| mean Dice | {dice.mean():.3f} [" in page
