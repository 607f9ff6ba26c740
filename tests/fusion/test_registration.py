"""Registration: known misalignments recovered, in the kit's conventions, the same in every run, and said when not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name by which it is known
from scipy import ndimage

from medloc_lib.data import lesions
from medloc_lib.errors import InputError, MedlocWarning
from medloc_lib.fusion import align, register, stages
from medloc_lib.geometry import affine_from, index_to_mm
from medloc_lib.sample import Sample


def head(shape, spacing=None):
    """A smooth picture with an outline and an inside; no axis or diagonal mirrors it."""
    spacing = np.ones(len(shape)) if spacing is None else np.asarray(spacing)
    noise = np.random.default_rng(len(shape)).normal(size=np.ceil(shape * spacing).astype(int))
    texture = ndimage.zoom(ndimage.gaussian_filter(noise, 3), np.array(shape) / noise.shape, order=1)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in texture.shape], indexing="ij"))
    middle = (np.array(texture.shape) - 1).reshape(-1, *[1] * len(shape)) / 2
    radius = np.sqrt((((grid - middle) / (0.33 * 2 * middle)) ** 2).sum(axis=0))
    return (radius < 1) * (1.0 + 0.6 * texture / texture.std() * 0.5)


def moved(picture, matrix, offset):
    """What lies at the index x of the picture is at matrix @ x + offset of the result."""
    back = np.linalg.inv(matrix)
    return ndimage.affine_transform(picture, back, -back @ offset, order=3)


def turn(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def errors(sample, channel, found):
    """Degrees and mm by which a registration misses the truth, at the middle of the picture."""
    truth = sample.layers["shift"][channel]
    ndim = sample.ndim
    middle = (slice(None), *(n // 2 for n in sample.shape))

    def rotation(field):
        slopes = [np.stack(np.gradient(axis, *sample.spacing)) for axis in field.astype(float)]
        return np.eye(ndim) + np.stack(slopes)[(slice(None), slice(None), *middle[1:])]

    left = rotation(found.shift) @ np.linalg.inv(rotation(truth))
    cosine = (np.trace(left) - 1) / 2 if ndim == 3 else left[0, 0]
    degrees = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return degrees, np.linalg.norm(found.shift[middle] - truth[middle])


@pytest.mark.parametrize("subject", range(10))
@pytest.mark.parametrize("dims", [2, 3])
def test_a_known_misalignment_is_recovered_within_half_a_mm_and_half_a_degree(subject, dims):
    """Ten patients, slices and volumes, T1 to T2, FLAIR or PET in turn (a slice of PET, blurred across, to 1 mm)."""
    sample = lesions.simulate(subject, dims=dims, misalignment_mm=6)
    channel = 1 + subject % 3
    name = sample.channels[channel]
    found = register(sample["T1"], sample[name], affine=sample.affine, progress=False)
    degrees, mm = errors(sample, channel, found)
    assert found.converged
    assert degrees < 0.5
    assert mm < (1.0 if dims == 2 and name == "PET" else 0.5)


class TestConventions:
    def test_the_matrix_is_in_patient_mm_also_for_an_oblique_left_handed_stack(self):
        """Registered in its own frame, the same picture has the same shift along its array axes."""
        shape, spacing = (24, 40, 36), np.array([3.0, 1.5, 2.0])
        picture = head(shape, spacing)
        in_mm = np.eye(3)
        in_mm[1:, 1:] = turn(4)
        inner = in_mm * spacing / spacing[:, None]
        middle = (np.array(shape) - 1) / 2
        picture_moved = moved(picture, inner, middle - inner @ middle + [1.0, -2.0, 1.5] / spacing)
        direction = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
        direction[:, 0] *= -np.sign(np.linalg.det(direction))
        affine = affine_from(spacing, origin=(-100, 20, 300), direction=direction)
        upright = register(picture, picture_moved, affine=affine_from(spacing), progress=False)
        oblique = register(picture, picture_moved, affine=affine, progress=False)
        np.testing.assert_allclose(oblique.shift, upright.shift, atol=0.15)
        index = [[5, 10, 20], [12, 20, 10]]
        points = index_to_mm(index, affine)
        there = points @ oblique.matrix[:3, :3].T + oblique.matrix[:3, 3]
        along = (there - points) @ direction  # mm along the array axes
        np.testing.assert_allclose(along, [oblique.shift[(slice(None), *i)] for i in index], atol=1e-3)
        np.testing.assert_allclose([oblique.transform.TransformPoint(p) for p in points.tolist()], there, atol=1e-6)

    def test_a_slice_stays_in_its_plane(self):
        picture = head((60, 50))
        affine = affine_from((4, 0.5, 0.8), origin=(7, 8, 9), direction=np.eye(3)[[2, 0, 1]])
        found = register(picture, np.roll(picture, (3, -2), axis=(0, 1)), affine=affine, progress=False)
        middle = (slice(None), 30, 25)
        np.testing.assert_allclose(found.shift[middle], [3 * 0.5, -2 * 0.8], atol=0.1)
        point = index_to_mm([[30, 25]], affine)[0]
        there = found.matrix @ [*point, 1]
        np.testing.assert_allclose((there[:3] - point) @ affine[:3, :3] / (4, 0.5, 0.8), [0, 1.5, -1.6], atol=0.1)

    def test_pictures_of_other_grids_meet_in_mm(self):
        """The moving picture has other pixels, another field of view, and the affine that says so."""
        fixed_affine, moving_affine = affine_from((1.0, 1.0)), affine_from((1.0, 2.0, 1.5), origin=(-6, -10, 0))
        fixed = head((64, 60))
        rows, cols = np.meshgrid((np.arange(45) * 2.0 - 10), (np.arange(52) * 1.5 - 6), indexing="ij")
        moving = ndimage.map_coordinates(fixed, [rows - 2.0, cols + 3.0], order=1)
        found = register(fixed, moving, affine=fixed_affine, moving_affine=moving_affine, progress=False)
        np.testing.assert_allclose(found.shift[:, 32, 30], [2, -3], atol=0.25)
        assert np.corrcoef(found.image[8:-8, 8:-8].ravel(), fixed[8:-8, 8:-8].ravel())[0, 1] > 0.95

    def test_pictures_far_apart_begin_centre_on_centre(self):
        fixed = head((48, 48))
        far = affine_from((1.0, 1.0), origin=(500, -300, 0))
        found = register(
            fixed, np.roll(fixed, 2, axis=1), affine=affine_from((1.0, 1.0)), moving_affine=far, progress=False
        )
        np.testing.assert_allclose(found.shift[:, 24, 24], [-300, 502], atol=0.3)

    def test_labels_and_other_channels_follow(self):
        picture = head((48, 48))
        found = register(picture, np.roll(picture, 4, axis=0), progress=False)
        labels = (picture > 1).astype(np.uint8) * 200
        back = found.apply(np.roll(labels, 4, axis=0), nearest=True)
        assert back.dtype == np.uint8
        assert (back == labels)[6:-6, 6:-6].mean() > 0.99
        flags = found.apply(np.roll(labels > 0, 4, axis=0), nearest=True)
        np.testing.assert_array_equal(flags, back > 0)
        np.testing.assert_array_equal(found.apply(np.roll(picture, 4, axis=0)), found.image)
        with pytest.raises(InputError, match="the moving one's shape"):
            found.apply(labels[1:])

    def test_outside_of_the_moving_picture_is_its_lowest_value(self):
        picture = head((48, 48)) - 7
        found = register(picture, np.roll(picture, 5, axis=1), progress=False)
        assert found.image.min() >= -7.001
        assert found.image[0, -1] == pytest.approx(-7, abs=1e-3)


class TestKinds:
    @pytest.mark.parametrize("ndim", [2, 3])
    def test_affine_finds_what_rigid_cannot(self, ndim):
        shape = (64, 64) if ndim == 2 else (32, 36, 34)
        picture = head(shape)
        matrix = np.eye(ndim) + 0.08 * np.array([[1.0, 0.5, 0], [0, -1, 0], [0.3, 0, 1]])[:ndim, :ndim]
        middle = (np.array(shape) - 1) / 2
        stretched = moved(picture, matrix, middle - matrix @ middle)
        grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) - middle.reshape(-1, *[1] * ndim)
        truth = np.einsum("ij,j...->i...", matrix - np.eye(ndim), grid)
        inside = picture > 0
        missed = {}
        for kind in ("rigid", "affine"):
            found = register(picture, stretched, kind=kind, progress=False)
            missed[kind] = np.linalg.norm(found.shift - truth, axis=0)[inside].mean()
        assert missed["affine"] < 0.35 and missed["affine"] < 0.5 * missed["rigid"]

    def test_a_bend_is_found_by_bspline_alone(self):
        picture = head((96, 96), (1.5, 1.5))
        rows = np.arange(96) * 1.5
        bend = np.zeros((2, 96, 96))
        bend[1] = 4 * np.cos(2 * np.pi * rows / 90)[:, None]  # mm
        index = np.indices(picture.shape)
        fixed = ndimage.map_coordinates(picture, index + bend / 1.5, order=3)
        inside = ndimage.binary_erosion(fixed > 0.3, iterations=3)
        affine = affine_from((1.5, 1.5))
        missed = {}
        for kind in ("affine", "bspline"):
            found = register(fixed, picture, kind=kind, affine=affine, progress=False)
            missed[kind] = np.linalg.norm(found.shift - bend, axis=0)[inside].mean()
        assert found.matrix is None
        assert missed["bspline"] < 0.8 < missed["affine"]

    def test_a_volume_can_bend_too(self):
        picture = head((18, 24, 20), (3, 3, 3))
        found = register(
            picture, np.roll(picture, 1, axis=1), kind="bspline", affine=affine_from((3, 3, 3)), progress=False
        )
        assert np.abs(found.shift[:, 9, 12, 10] - [0, 3, 0]).max() < 0.8


def test_the_same_input_gives_the_same_result_and_threads_are_left_as_they_were():
    picture = head((40, 48, 44))  # more pixels than are looked at: they are drawn
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    runs = [register(picture, np.roll(picture, 2, axis=1), progress=False) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].shift, runs[1].shift)
    np.testing.assert_array_equal(runs[0].curve, runs[1].curve)
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == before


def test_the_curve_rises_within_each_level():
    sample = lesions.simulate(0, misalignment_mm=8)
    found = register(sample["T1"], sample["T2"], affine=sample.affine, progress=False)
    assert found.starts[0] == 0 and list(found.starts) == sorted(found.starts)
    levels = np.split(found.curve, found.starts[1:])
    assert len(levels) == 3
    assert levels[0][-1] > levels[0][0]
    assert "Step too small" in found.message


def test_a_registration_that_runs_out_of_steps_says_so(monkeypatch):
    monkeypatch.setitem(stages.STEPS, "rigid", 3)
    picture = head((64, 64))
    with pytest.warns(MedlocWarning, match=r"\(rigid\) did not converge: .*Maximum number of iterations"):
        found = register(picture, np.roll(picture, 6, axis=0), progress=False)
    assert not found.converged


def test_pictures_that_fit_worse_than_before_are_told(monkeypatch):
    monkeypatch.setattr(stages, "SHRINK", (1,))
    monkeypatch.setattr(stages.Course, "metric", lambda self: 1.0 / (1 + len(self.curve)))
    picture = head((32, 32))
    with pytest.warns(MedlocWarning, match="fit worse than before"):
        assert not register(picture, picture, progress=False).converged


def test_a_progress_bar_counts_the_steps(capsys):
    picture = head((32, 32))
    register(picture, np.roll(picture, 1, axis=0))
    assert "rigid: " in capsys.readouterr().err


class TestRefusals:
    @pytest.mark.parametrize(
        ("fixed", "moving", "options", "says"),
        [
            (head((20, 20)), head((20, 20, 20)), {}, "two slices or two volumes"),
            (head((20, 15)), head((20, 20)), {}, "fixed picture must be at least 16 pixels"),
            (head((20, 20)), np.ones((20, 20)), {}, "moving picture has no contrast"),
            (head((20, 20)), np.full((20, 20), np.nan), {}, "NaN"),
            (head((20, 20)), head((20, 20)), {"kind": "elastic"}, "kind must be one of rigid, affine, bspline"),
            (head((20, 20)), head((20, 20)), {"affine": np.eye(3)}, "4×4"),
            (head((20, 20)), head((20, 20)), {"affine": np.diag([0, 1, 1, 1.0])}, "sheared or singular"),
        ],
    )
    def test_what_cannot_be_registered(self, fixed, moving, options, says):
        with pytest.raises(InputError, match=says):
            register(fixed, moving, progress=False, **options)

    def test_a_sheared_affine(self):
        sheared = np.eye(4)
        sheared[0, 1] = 0.2
        with pytest.raises(InputError, match="sheared"):
            register(head((20, 20)), head((20, 20)), moving_affine=sheared, progress=False)

    def test_slices_in_tilted_planes(self):
        tilted = affine_from((1, 1, 1), direction=np.eye(3))
        with pytest.raises(InputError, match="parallel planes"):
            register(head((20, 20)), head((20, 20)), affine=affine_from((1, 1)), moving_affine=tilted, progress=False)


class TestAlign:
    def test_all_channels_come_to_the_reference(self):
        sample = lesions.simulate(4, misalignment_mm=6)
        still = lesions.simulate(4)
        done = align(sample, reference="T1")
        np.testing.assert_array_equal(done["T1"], sample["T1"])
        inside = (slice(20, -20),) * 2
        for name in ("T2", "FLAIR"):
            before, after = (
                np.corrcoef(s[name][inside].ravel(), still[name][inside].ravel())[0, 1] for s in (sample, done)
            )
            assert after > 0.97 > before
        assert done.channels == sample.channels and done.image.dtype == np.float32
        np.testing.assert_array_equal(done.boxes, sample.boxes)

    def test_a_missing_channel_and_one_that_does_not_converge_stay(self, monkeypatch):
        picture = head((40, 40)).astype(np.float32)
        image = np.stack([picture, np.zeros_like(picture), np.roll(picture, 3, axis=0)])
        monkeypatch.setitem(stages.STEPS, "rigid", 1)
        with pytest.warns(MedlocWarning, match="did not converge"):
            done = align(Sample(image, ("a", "b", "c"), spacing=(2, 2)), reference="a")
        np.testing.assert_array_equal(done.image, image)
