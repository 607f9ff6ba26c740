"""Sequences against PyTorch, closed forms, and toys whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from medloc_lib.data import lesions
from medloc_lib.data.lesions.position import template_heights
from medloc_lib.deep.localizers import HeatmapLocalizer
from medloc_lib.deep.sequence import (
    KINDS,
    LinkedLocalizer,
    Projection,
    SequenceModel,
    SequenceNet,
    brain_alone,
    curves,
    gradient_by_distance,
    link,
    planes_of,
    slice_features,
    smoothed,
    span,
)
from medloc_lib.errors import InputError
from medloc_lib.localizer import ThresholdLocalizer, check_localizer
from medloc_lib.sample import Detections, Sample


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_sequence_is_filled_up_with_changes_nothing(kind):
    torch.manual_seed(0)
    net = SequenceNet(3, kind=kind).eval()
    x = torch.randn(2, 9, 3)
    together = net(x, torch.tensor([9, 4]))[1, :4]
    alone = net(x[1:, :4], torch.tensor([4]))[0]
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize(
    ("kind", "before", "behind"), [("slice", 0, 0), ("lstm", 1, 0), ("bilstm", 1, 1), ("tcn", 1, 1)]
)
def test_what_each_kind_sees(kind, before, behind):
    torch.manual_seed(0)
    net = SequenceNet(2, kind=kind).eval()
    x = torch.randn(1, 7, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x, torch.tensor([7]))[0, 3], x)
    seen = gradient[0].abs().sum(1) > 0
    assert seen[3]
    assert (bool(seen[:3].all()), bool(seen[4:].all())) == (bool(before), bool(behind))
    assert (bool(seen[:3].any()), bool(seen[4:].any())) == (bool(before), bool(behind))


def test_a_net_refuses_an_unknown_kind():
    with pytest.raises(InputError, match="one of slice, rnn"):
        SequenceNet(3, kind="gru")


def test_the_gradient_of_a_linear_recurrence_is_its_power():
    cell = nn.RNN(1, 1, batch_first=True)
    for name, value in (("weight_ih_l0", 1e-4), ("weight_hh_l0", 0.5), ("bias_ih_l0", 0.0), ("bias_hh_l0", 0.0)):
        getattr(cell, name).data.fill_(value)  # so small that tanh is the identity
    found = gradient_by_distance(cell, 6, 1)
    torch.testing.assert_close(found / found[0], 0.5 ** torch.arange(6.0), rtol=1e-4, atol=1e-6)


def test_a_model_learns_what_only_the_past_tells_and_gives_it_back_in_its_unit():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(n, 1)) for n in rng.integers(5, 12, 80)]
    y = [np.concatenate([[np.nan], 10 + 3 * s[:-1, 0]]) for s in x]  # the step before; unknown at first
    model = SequenceModel("lstm", answers="measure", epochs=60, rate=0.02).fit(x[:60], y[:60])
    blind = SequenceModel("slice", answers="measure", epochs=60, rate=0.02).fit(x[:60], y[:60])

    def error(m):
        told = np.concatenate(m.predict(x[60:]))
        return np.nanmean(np.abs(told - np.concatenate(y[60:])))

    assert error(model) < 0.6 < 2 < error(blind)


def test_the_same_seed_learns_the_same():
    rng = np.random.default_rng(0)
    x, y = [rng.normal(size=(6, 2)) for _ in range(20)], [rng.integers(0, 2, 6) for _ in range(20)]
    one, two = (SequenceModel("bilstm", epochs=2, window=3, skip=2, dropout=0.2).fit(x, y).predict(x) for _ in range(2))
    np.testing.assert_array_equal(np.stack(one), np.stack(two))


def test_pieces_are_cut_from_the_sequence_and_keep_its_order():
    model = SequenceModel(window=3, skip=2)
    x = torch.arange(20.0).reshape(1, 20, 1).repeat(200, 1, 1)
    batch = {"x": x, "y": x[..., 0], "lengths": torch.full((200,), 15)}
    cut = model._cut(batch, torch.Generator().manual_seed(0))
    lengths = cut["lengths"]
    assert lengths.min() == 2
    assert lengths.max() == 15
    for row, target, n in zip(cut["x"][..., 0], cut["y"], lengths, strict=True):
        steps = row[:n].diff()
        assert set(steps.tolist()) <= {1.0} or set(steps.tolist()) <= {2.0}
        assert row[:n].max() < 15
        torch.testing.assert_close(row[:n], target[:n])
        assert target[n:].isnan().all()
        assert (row[n:] == 0).all()


def test_a_missing_step_is_taken_as_the_mean():
    rng = np.random.default_rng(0)
    x = [rng.normal(5, 2, size=(6, 2)) for _ in range(20)]
    model = SequenceModel("bilstm", epochs=1).fit(x, [np.zeros(6)] * 20)
    gone, mean = x[0].copy(), x[0].copy()
    gone[2], mean[2] = np.nan, model.mean_
    np.testing.assert_allclose(model.predict([gone])[0], model.predict([mean])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([np.zeros((3, 2))], [np.zeros(4)], "target of its length"),
        ([np.zeros((3, 2)), np.zeros((3, 1))], [np.zeros(3)] * 2, "same features"),
        ([np.zeros((3, 2))], [np.full(3, np.nan)], "no step"),
        ([np.zeros(3)], [np.zeros(3)], r"shape \(steps, features\)"),
    ],
)
def test_a_model_says_what_does_not_go_together(x, y, said):
    with pytest.raises(InputError, match=said):
        SequenceModel().fit(x, y)


def test_smoothing_keeps_a_constant_and_the_sum():
    np.testing.assert_allclose(smoothed(np.full(9, 2.0), 2), 2, rtol=1e-6)
    peak = np.zeros(41)
    peak[20] = 1
    assert smoothed(peak, 2).sum() == pytest.approx(1, abs=1e-5)
    assert smoothed(peak, 2)[20] == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), abs=1e-3)


def test_the_span_of_nothing_is_refused():
    with pytest.raises(InputError, match="one score"):
        span([], 0.5)


def box(row, col, side=4.0):
    return [row, col, row + side, col + side]


class TestLink:
    def test_two_things_side_by_side_stay_two(self):
        slices = [Detections([box(0, 0), box(0, 20)], [0.6, 0.5]) for _ in range(3)]
        made = link(slices)
        np.testing.assert_array_equal(made.boxes, [[0, 0, 0, 3, 4, 4], [0, 0, 20, 3, 4, 24]])
        np.testing.assert_allclose(made.scores, [1 - 0.4**3, 1 - 0.5**3])

    def test_the_best_sum_wins_not_the_first_pair(self):
        first = Detections([box(0, 0, 10), box(0, 4, 10)], [0.9, 0.9])
        then = Detections([box(0, 3, 10), box(0, 14, 10)], [0.9, 0.9])
        # Greedily the second chain would take the box at 3 (IoU 0.82) and leave nothing for the first but 14 (IoU 0).
        made = link([first, then], overlap=0.1)
        assert sorted(made.boxes[:, [0, 3]].tolist()) in ([[0, 1], [0, 2], [1, 2]], [[0, 2], [0, 2]])
        overlaps = {tuple(b) for b in made.boxes[:, [2, 5]].tolist()}
        assert (0.0, 13.0) in overlaps or (3.0, 14.0) in overlaps

    @pytest.mark.parametrize(("gap", "things"), [(0, 2), (1, 1)])
    def test_a_gap_is_bridged_if_it_may_be(self, gap, things):
        here = Detections([box(2, 2)], [0.5])
        assert len(link([here, Detections.none(2), here], gap=gap)) == things

    def test_the_label_has_the_largest_sum_of_scores(self):
        slices = [
            Detections([box(0, 0)], [0.9], [2]),
            Detections([box(0, 0)], [0.5], [1]),
            Detections([box(0, 0)], [0.5], [1]),
        ]
        assert link(slices).labels.tolist() == [1]

    def test_nothing_gives_nothing(self):
        assert link([]).boxes.shape == (0, 6)
        assert link([Detections.none(2)]).boxes.shape == (0, 6)

    def test_what_cannot_be_linked_is_refused(self):
        with pytest.raises(InputError, match="boxes of slices"):
            link([Detections.none(3)])
        with pytest.raises(InputError, match="overlap"):
            link([], overlap=0)


def blocks(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 1, (1, 10, 24, 24))
    start = rng.integers(2, 5, 3)
    stop = start + 4
    image[0, start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]] += 40
    return Sample(image, channels=("T1",), boxes=[[*start, *stop]], id=str(seed))


class TestLinkedLocalizer:
    def test_keeps_the_contract(self):
        check_localizer(LinkedLocalizer(ThresholdLocalizer()), [blocks(seed) for seed in range(6)])

    def test_finds_blocks_that_single_slices_cannot_box(self):
        volumes = [blocks(seed) for seed in range(8)]
        linked = LinkedLocalizer(ThresholdLocalizer()).fit(volumes[:4])
        assert linked.score(volumes[4:]) > 0.9
        flat = LinkedLocalizer(ThresholdLocalizer(), overlap=None).fit(volumes[:4])
        assert flat.score(volumes[4:]) < 0.1  # a plane of four has an IoU of 0.25

    def test_says_that_it_is_not_fitted(self):
        with pytest.raises(InputError, match="not fitted"):
            LinkedLocalizer().predict([blocks(0)])


def test_features_are_those_of_each_slice_alone():
    rng = np.random.default_rng(0)
    flat = [Sample(rng.normal(100, 5, (2, 32, 32)), channels=("a", "b"), boxes=[[4, 4, 12, 12]]) for _ in range(4)]
    detector = HeatmapLocalizer(widths=(4, 6), epochs=1, augment=None).fit(flat)
    found = slice_features(detector, flat)
    assert found.shape == (4, 2 * 6 + 1)
    np.testing.assert_allclose(slice_features(detector, flat[2:3])[0], found[2], atol=1e-5)
    picture = detector._pictures(flat[:1])[0][None].float()
    with torch.no_grad():
        maps = detector.net_.down[1](detector.net_.down[0](picture))
        heat, _ = detector.net_(picture)
    np.testing.assert_allclose(found[0, :6], maps.mean((2, 3))[0], atol=1e-4)
    np.testing.assert_allclose(found[0, 6:12], maps.amax((2, 3))[0], atol=1e-4)
    assert found[0, 12] == pytest.approx(float(heat.max()), abs=1e-4)
    only_a = flat[0].replace(image=flat[0].image[:1], channels=("a",))
    zero_b = flat[0].replace(image=np.stack([flat[0]["a"], np.zeros((32, 32))]))
    np.testing.assert_allclose(slice_features(detector, [only_a]), slice_features(detector, [zero_b]))
    detector.precision = "bf16-mixed"
    np.testing.assert_allclose(slice_features(detector, flat), found, atol=0.2)


def test_features_need_a_detector_and_planes():
    with pytest.raises(InputError, match="fitted 2-D detector"):
        slice_features(HeatmapLocalizer(), [])
    with pytest.raises(InputError, match="3-D"):
        planes_of(Sample(np.zeros((1, 8, 8))))


def test_a_projection_keeps_distances_when_it_keeps_all_directions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6)) * [1, 2, 3, 4, 5, 6]
    project = Projection.fit([x], n=5, whole=1)
    made = project(x)
    z = (x[:, :5] - x[:, :5].mean(0)) / x[:, :5].std(0)
    np.testing.assert_allclose(np.linalg.norm(made[0, :5] - made[1, :5]), np.linalg.norm(z[0] - z[1]), rtol=1e-4)
    np.testing.assert_allclose(made[:, 5], x[:, 5], rtol=1e-5)
    with pytest.raises(InputError, match="n must be"):
        Projection.fit([x], n=7)


@pytest.fixture(scope="module")
def volume():
    return lesions.simulate(3, dims=3, split="val")


class TestSimulated:
    def test_heights_follow_the_planes(self, volume):
        z = template_heights(volume)
        known = ~np.isnan(z)
        assert z.shape == (64,)
        assert 50 < known.sum() < 64
        assert (np.diff(z[known]) > 1.5).all()
        assert (np.diff(z[known]) < 2.6).all()
        assert np.abs(z[known] - (-46 + 2 * np.flatnonzero(known))).max() < 12  # heads are not the template

    def test_heights_need_a_simulated_volume(self):
        with pytest.raises(InputError, match="simulated 3-D"):
            template_heights(Sample(np.zeros((1, 4, 8, 8))))

    def test_brain_alone_is_the_brain(self, volume):
        bare = brain_alone(volume)
        assert bare.channels == ("T1",)
        brain = (volume.layers["tissue"] >= 1) & (volume.layers["tissue"] <= 4) | (volume.mask > 0)
        np.testing.assert_array_equal(bare.image[0] > 0, brain & (volume["T1"] > 0))
        with pytest.raises(InputError, match="what is brain"):
            brain_alone(Sample(np.zeros((1, 4, 8, 8)), channels=("T1",)))


def test_curves_are_those_of_what_lights_up():
    rng = np.random.default_rng(0)
    seconds = (0.0, 20.0, 40.0, 60.0)
    frames = rng.normal(100, 1, (4, 6, 24, 24))
    frames[:, :, 16:] = 0  # air
    frames[2:, 1:5, 4:10, 4:10] += 50
    mask = np.zeros((6, 24, 24), dtype=int)
    mask[:, :7] = 1
    made = curves(Sample(frames, mask=mask, meta={"seconds": seconds}))
    inner = np.zeros((6, 24, 24), dtype=bool)
    inner[2:4, 5:9, 5:9] = True
    there = np.zeros_like(inner)
    there[tuple(made.index.T)] = True
    assert there[inner].all()
    assert not there[:, 13:].any()
    np.testing.assert_array_equal(made.lesion, made.index[:, 1] < 7)
    middle = made.values[(made.index == [3, 7, 7]).all(1)][0]
    np.testing.assert_allclose(middle[:, 1], [0, 0, 0.5, 0.5], atol=0.05)


@pytest.mark.parametrize("meta", [{}, {"seconds": (0, 20)}, {"seconds": (0, 50, 60)}])
def test_curves_need_a_series(meta):
    with pytest.raises(InputError, match="second of each frame"):
        curves(Sample(np.ones((3, 8, 8)), meta=meta))
