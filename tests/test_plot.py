"""Static figures: what is drawn, where, in which window."""

from __future__ import annotations

import io
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

mpl.use("Agg")

from medloc_lib import metrics, plot
from medloc_lib.errors import InputError
from medloc_lib.metrics import Interval, froc
from medloc_lib.plot import pictures
from medloc_lib.sample import Detections, Sample


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    mask = np.zeros((4, 6, 8), dtype=int)
    mask[1:3, 2:4, 3:6] = 2
    return Sample(
        rng.normal(size=(2, 4, 6, 8)),
        channels=("T1", "PET"),
        spacing=(5, 2, 1),
        boxes=[[1, 2, 3, 3, 4, 6], [3, 0, 0, 4, 2, 2]],
        labels=[1, 0],
        ignore=[False, True],
        classes=("plaque", "mass"),
        mask=mask,
        id="a",
    )


def axes(n=1):
    made = Figure().subplots(1, n)
    return made if n == 1 else list(made)


def test_show_draws_the_plane_in_its_window_and_shape(volume):
    ax = plot.show(volume, ax=axes(), channel="PET", plane=2, window=(-1, 1))
    picture = ax.get_images()[0]
    np.testing.assert_allclose(picture.get_array(), np.clip((volume["PET"][2] + 1) / 2, 0, 1))
    assert list(picture.get_extent()) == [0, 8, 6, 0]
    assert ax.get_aspect() == 2  # a row is twice as high as a column is wide
    assert ax.get_title() == "a, PET, plane 2 of 4"


def test_show_frames_truth_detections_and_ignored_boxes_differently(volume):
    found = Detections([[2, 1, 1, 3, 5, 5]], scores=[0.876], labels=[1])
    ax = plot.show(volume, ax=axes(), plane=2, detections=found)
    truth, detected = ax.patches
    assert (truth.get_xy(), truth.get_width(), truth.get_height()) == ((3, 2), 3, 2)
    assert [p.get_linestyle() for p in (truth, detected)] == ["solid", "dashed"]
    assert to_hex(truth.get_edgecolor()).upper() != to_hex(detected.get_edgecolor()).upper()
    assert {t.get_text() for t in ax.texts} == {"mass", "mass 0.88"}
    (ignored,) = plot.show(volume, ax=axes(), plane=3).patches
    assert ignored.get_linestyle() == "dotted"
    assert not plot.show(volume, ax=axes(), plane=0, boxes=False).patches


def test_a_find_is_named_only_where_labels_tell_classes_apart():
    two, one = ("mass", "plaque"), ("cell",)
    box = [[0, 0, 2, 2]]
    texts = [pictures.found_marks(Detections(box, labels=[k]), names, 2)[0].text for k, names in ((0, two), (1, two))]
    assert texts == ["1.00", "plaque 1.00"]
    assert pictures.found_marks(Detections(box, scores=[1234.5]), one, 2)[0].text == "cell 1234"


def test_show_tints_the_mask_with_the_colour_of_its_label(volume):
    tint = plot.show(volume, ax=axes(), plane=1).get_images()[1].get_array()
    assert (tint[..., 3] > 0).sum() == 6
    assert to_hex(tint[2, 3, :3]).upper() == pictures.COLORS[1]
    assert len(plot.show(volume, ax=axes(), plane=1, mask=False).get_images()) == 1


def test_show_gives_back_the_axes_and_makes_them_where_there_are_none():
    ax = axes()
    assert plot.show(np.eye(4), ax=ax) is ax
    assert plot.show(np.zeros((4, 5, 3), np.uint8)).get_images()[0].get_array().shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel": "CT"}, "no channel 'CT'"),
        ({"plane": 4}, "plane must be 0 to 3"),
        ({"window": (1, 1)}, "window must rise"),
        ({"detections": Detections([[0, 0, 1, 1]])}, "6 numbers"),
    ],
)
def test_show_refuses_what_is_not_there(volume, change, message):
    with pytest.raises(InputError, match=message):
        plot.show(volume, ax=axes(), **change)
    with pytest.raises(InputError, match="got shape"):
        plot.show(np.zeros((2, 2, 2, 2, 2)), ax=axes())


def test_compare_draws_before_after_and_histograms(volume):
    picture = volume["T1"][1]
    four = plot.compare(volume, (picture > 0, [[0, 0, 3, 3]]), axes=axes(4), plane=1, title="threshold")
    assert four[1].get_title() == "threshold"
    assert [p.get_linestyle() for p in four[1].patches] == ["solid", "dashed"]
    assert (four[1].get_images()[1].get_array()[..., 3] > 0).sum() == (picture > 0).sum()
    counts = four[2].patches[0].get_data().values ** 2
    assert counts.sum() == pytest.approx(picture.size)
    with pytest.raises(InputError, match="4 axes"):
        plot.compare(volume, picture, axes=axes(2))


def test_planes_cut_through_one_point_with_their_boxes(volume):
    three = plot.planes(volume, axes=axes(3), at=(1, 3, 4), channel="T1", window=(-1, 1))
    array = np.clip((volume["T1"] + 1) / 2, 0, 1)
    cuts = (array[1], array[:, 3], array[:, :, 4])
    for ax, cut, aspect in zip(three, cuts, (2, 5, 2.5), strict=True):
        np.testing.assert_allclose(ax.get_images()[0].get_array(), cut)
        assert ax.get_aspect() == aspect
    assert [p.get_xy() for p in three[1].patches] == [(3, 1)]  # the mass, planes 1 to 3 and columns 3 to 6
    assert three[1].get_ylim() == (0, 4)  # the first plane, the lowest, is at the bottom
    with pytest.raises(InputError, match="needs a volume"):
        plot.planes(np.eye(3))


def test_histogram_counts_every_pixel_and_cuts_off_only_the_fullest_bin():
    values = np.concatenate([np.zeros(10_000), np.arange(1, 101)])
    ax = plot.histogram(values, ax=axes(), bins=101, window=(10, 20))
    assert ax.get_ylim()[1] == pytest.approx(1.5)
    assert [line.get_xdata()[0] for line in ax.lines] == [10, 20]


@pytest.mark.parametrize("cols", [1, 2, 3])
def test_histogram_of_a_narrow_picture(cols):
    ax = plot.histogram(np.eye(5)[:, :cols], ax=axes(), bins=2)
    assert [round(p.get_data().values[1] ** 2) for p in ax.patches] == [cols]


def test_rows_of_different_lengths_are_no_picture():
    with pytest.raises(InputError, match="a picture must be an array of numbers"):
        plot.show([[1, 2], [3]])


def test_names_with_dollar_signs_are_drawn_as_they_are():
    """Matplotlib takes what stands between two of them for a formula, and stops at one that it cannot read."""
    name = r"$\frac{$"
    sample = Sample(np.eye(9)[None], boxes=[[0, 0, 4, 4]], classes=(name,), id=name)
    figure = Figure()
    grid = list(figure.subplots(2, 3).ravel())
    plot.compare(sample, Detections([[0, 0, 4, 4]]), axes=grid[:4], title=name)
    plot.froc({name: froc([sample], [Detections([[0, 0, 4, 4]])])}, ax=grid[4])
    plot.leaderboard({name: Interval(0.5, 0.4, 0.6)}, ax=grid[5])
    figure.savefig(io.BytesIO())


def test_froc_reads_the_curve_where_the_score_is_read():
    truth = [Sample(np.zeros((1, 9, 9)), boxes=[[0, 0, 4, 4], [5, 5, 9, 9]])]
    curve = froc(truth, [Detections([[0, 0, 4, 4], [0, 5, 3, 9]], scores=[0.9, 0.8])])
    ax = plot.froc({"mine": curve}, ax=axes())
    step, marks = ax.lines
    np.testing.assert_allclose(marks.get_ydata(), curve.sensitivity)
    assert step.get_ydata()[-1] == 0.5
    assert [t.get_text() for t in ax.get_xticklabels()][:1] == ["1/8"]
    assert ax.get_legend().get_texts()[0].get_text() == f"mine {curve.mean:.3f}"
    with pytest.raises(InputError, match="at least one"):
        plot.froc({})


def test_leaderboard_orders_the_methods_and_draws_their_intervals():
    ax = plot.leaderboard({"b": Interval(0.5, 0.4, 0.7), "a": Interval(0.2, 0.1, 0.3)}, ax=axes())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    assert list(ax.lines[2].get_xdata()) == [0.4, 0.7]


def test_learning_says_what_is_not_there_yet():
    epoch = SimpleNamespace(epoch=1, loss=0.5, score=None)
    for runs, said in (({"a": []}, ["no epoch yet"] * 2), ({"a": [epoch]}, ["", "no validation yet"])):
        axes = plot.learning(runs)
        assert ["".join(text.get_text() for text in ax.texts) for ax in axes] == said


def test_learning_marks_the_best_score_and_leaves_out_epochs_without_one():
    epochs = [SimpleNamespace(epoch=i, loss=4 - i, score=s) for i, s in enumerate((0.2, 0.8, None, 0.5), start=1)]
    left, right = plot.learning({"a": epochs, "b": epochs[:1]}, metric="AP")
    assert list(left.lines[0].get_ydata()) == [3, 2, 1, 0]
    assert list(right.lines[0].get_xdata()) == [1, 2, 4]
    assert list(right.lines[1].get_xydata()[0]) == [2, 0.8]
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["a", "b"]


def test_the_window_of_a_dicom_file_is_used_until_it_has_been_applied():
    meta = {"window_center": (40.0, 300.0), "window_width": (80.0, 1500.0), "window_name": ("BRAIN", "BONE")}
    raw = Sample(np.arange(-1000, 1000, dtype=np.int16).reshape(1, 40, 50), meta=meta)
    assert pictures.default_window(raw) == (0, 80)
    assert list(pictures.named_windows(raw)) == ["BRAIN", "BONE"]
    applied = raw.replace(image=np.linspace(0, 1, 2000).reshape(1, 40, 50))
    assert pictures.default_window(applied) == pytest.approx((0.005, 0.995))


def test_windows_are_in_measured_values_and_the_picture_may_hold_stored_ones():
    meta = {"modality": "CT", "rescale_slope": 2.0, "rescale_intercept": -1000.0}
    stored = Sample(np.zeros((1, 2, 2), np.int16), meta=meta)
    assert pictures.presets(stored)["brain"] == (500, 540)  # 0 and 80 HU
    assert pictures.presets(stored.replace(image=np.full((1, 2, 2), 40.0)))["brain"] == (0, 80)
    assert pictures.presets(stored.replace(meta={**meta, "rescale_slope": (1.0, 2.0)})) == {}
    assert pictures.presets(stored.replace(meta={"modality": "MR"})) == {}


def test_a_negative_film_is_shown_as_a_positive_until_it_has_been_windowed():
    film = Sample(np.array([[[0, 4095]]], np.uint16), meta={"photometric": "MONOCHROME1"})
    shown = plot.show(film, ax=axes(), window=(0, 4095)).get_images()[0].get_array()
    assert shown.tolist() == [[1, 0]]
    applied = film.replace(image=np.array([[[1.0, 0.0]]]))
    assert plot.show(applied, ax=axes(), window=(0, 1)).get_images()[0].get_array().tolist() == [[1, 0]]


GREY = np.linspace(0, 1, 30).reshape(5, 6)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (GREY**2, "picture"),
        ((255 * GREY).astype(np.uint8), "picture"),
        (np.zeros((5, 6, 3)), "picture"),
        (np.zeros((3, 4)), "detections"),
        (GREY > 0.5, "mask"),
        ((GREY > 0.5).astype(int), "mask"),
        (Detections.none(), "detections"),
    ],
)
def test_what_a_function_gave_is_recognised(result, kind):
    made = pictures.outcome(result, GREY)
    assert [name for name, value in vars(made).items() if value is not None] == [kind]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "got NoneType"),
        ("text", "got str"),
        (np.full((5, 6), np.nan), "30 of 30 values are NaN"),
        (np.zeros(6), "got \\(6,\\)"),
        (np.zeros((0, 6)), "with pixels"),
        (Detections.none(3), "one plane"),
    ],
)
def test_what_cannot_be_drawn_is_named(result, message):
    with pytest.raises(InputError, match=message):
        pictures.outcome(result, GREY)


def test_a_picture_of_the_same_range_keeps_the_window_and_another_gets_its_own():
    assert pictures.window_after(GREY, GREY**0.5, (0.1, 0.9)) == (0.1, 0.9)
    assert pictures.window_after(GREY, 1000 * GREY, (0.1, 0.9)) == pytest.approx((5, 995))
    assert pictures.window_after(1000 * GREY, GREY, (5, 995)) == pytest.approx((0.005, 0.995))
    constant = pictures.window_after(GREY, np.full((5, 6), 7.0), (0, 1))
    assert constant == (7, 8)


def test_reliability_leaves_out_empty_bins_and_names_the_error():
    made = metrics.reliability([0.95, 0.95, 0.15], [True, False, False])
    ax = plot.reliability({"a": made, "b": made}, ax=axes())
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.15, 0.0], [0.95, 0.5]])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a 0.350", "b 0.350"]
    assert plot.reliability(made).get_legend().get_texts()[0].get_text() == "0.350"
    with pytest.raises(InputError, match="at least one"):
        plot.reliability({})


def test_trend_draws_a_line_and_a_band_per_curve():
    scores = [Interval(0.2, 0.1, 0.3), Interval(0.4, 0.3, 0.6)]
    ax = plot.trend([0, 8], {"a": scores, "b": scores[::-1]}, ax=axes())
    assert [line.get_ydata().tolist() for line in ax.lines] == [[0.2, 0.4], [0.4, 0.2]]
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 2
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.6)
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]
    with pytest.raises(InputError, match=r"curves of 3 scores; got \[2\]"):
        plot.trend([1, 2, 3], {"a": scores})


def test_outlines_follow_the_masks_of_labels_and_finds():
    mask = np.zeros((20, 30), dtype=int)
    mask[5:9, 4:12], mask[10:20, 20:30] = 1, 2
    sample = Sample(np.zeros((1, 20, 30)), mask=mask, classes=("nerve", "vessel"))
    found = [Detections([[5, 4, 9, 12]], labels=[1], masks=(mask == 1)[None]), Detections.none()]
    first, second = plot.outlines({"a": sample, "b": sample}, found, columns=3)
    nerve, vessel, dashed = first.collections
    assert [to_hex(c.get_edgecolor()[0]).upper() for c in (nerve, vessel, dashed)] == [
        *pictures.COLORS[:2],
        pictures.COLORS[1],
    ]
    corners = nerve.get_paths()[0].get_extents()
    assert (corners.x0, corners.y0, corners.x1, corners.y1) == (3.5, 4.5, 11.5, 8.5)
    assert vessel.get_paths()[0].get_extents().x1 == 29.5  # closed where the picture ends
    assert dashed.get_linestyles()[0][1] is not None and nerve.get_linestyles()[0][1] is None
    assert len(second.collections) == 2 and second.get_title() == "b"
    with pytest.raises(InputError, match="each 2-D and with a mask"):
        plot.outlines({"a": sample.replace(mask=None)})
    with pytest.raises(InputError, match="with masks for each of 1 pictures"):
        plot.outlines({"a": sample}, [Detections([[0, 0, 2, 2]])])


def test_a_row_draws_each_picture_under_its_name_with_its_histogram(volume):
    axes = plot.row({"before": GREY, "after": 2 * GREY}, window=(0, 1), histograms=True)
    assert [ax.get_title() for ax in axes] == ["before", "after"]
    np.testing.assert_allclose(axes[1].images[0].get_array(), np.clip(2 * GREY, 0, 1))
    sums = axes[1].figure.axes[-1].lines[0].get_xydata()
    np.testing.assert_allclose(sums[:, 0], np.sort(2 * GREY, axis=None))
    assert tuple(sums[[0, -1], 1]) == (0, 1)
    assert len(plot.row({"ct": volume})[0].patches) == len(plot.show(volume, mask=False).patches)
    with pytest.raises(InputError, match="at least one picture"):
        plot.row({})
