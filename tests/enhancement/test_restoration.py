"""Bias, blur, resolution: against SciPy in float64, closed forms, and a shading that is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that its users give it
from hypothesis import given
from hypothesis import strategies as st

from medloc_lib import enhancement as en
from medloc_lib.errors import InputError
from tests.enhancement import reference
from tests.enhancement.pictures import FLAT, VOLUME

both = pytest.mark.parametrize("picture", [FLAT, VOLUME], ids=["2-D", "3-D"])


@both
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unsharp", {}),
        ("unsharp", {"sigma": 3, "amount": 0.5}),
        ("laplacian_sharpen", {}),
        ("laplacian_sharpen", {"amount": 0.2}),
        ("difference_of_gaussians", {}),
        ("difference_of_gaussians", {"sigma": 2, "ratio": 3}),
    ],
)
def test_as_defined(picture, name, options):
    exact = getattr(reference, name)(picture, **options)
    result = getattr(en, name)(picture, **options)
    np.testing.assert_allclose(result, exact, rtol=0, atol=5e-4 * np.ptp(picture))


def test_difference_of_gaussians_is_exact_far_from_zero():
    near, far = en.difference_of_gaussians(FLAT), en.difference_of_gaussians(FLAT.astype(np.float64) + 2**17)
    np.testing.assert_allclose(far, near, atol=0.02)


def test_a_gaussian_blob_answers_as_the_formula_says():
    """A Gaussian of width s blurred by t is one of width √(s² + t²), its height times s² / (s² + t²) in 2-D."""
    rows, cols = np.indices((81, 81)) - 40
    blob = np.exp(-(rows**2 + cols**2) / (2 * 4.0**2))
    peak = en.difference_of_gaussians(blob, sigma=2, ratio=1.6)[40, 40]
    assert peak == pytest.approx(16 / (16 + 4) - 16 / (16 + 10.24), abs=1e-3)


class TestResample:
    @both
    @pytest.mark.parametrize("method", ["spline", "lanczos"])
    @pytest.mark.parametrize("factor", [2, 1.37, 1, 0.5])
    def test_as_defined(self, picture, method, factor):
        shape = tuple(int(n * factor) for n in picture.shape)
        result = en.resample(picture, shape, method=method)
        assert result.shape == shape
        exact = reference.resample(picture, shape, method=method)
        np.testing.assert_allclose(result, exact, rtol=0, atol=1e-5 * np.ptp(exact))

    @pytest.mark.parametrize("method", ["spline", "lanczos"])
    def test_the_same_number_of_pixels_changes_nothing(self, method):
        np.testing.assert_allclose(en.resample(FLAT, FLAT.shape, method=method), FLAT, atol=1e-3)

    @pytest.mark.parametrize("method", ["spline", "lanczos"])
    def test_the_field_of_view_stays(self, method):
        """A ramp over the coordinates is the same ramp, away from the borders."""
        ramp = np.arange(40) + 0.5
        result = en.resample(ramp[None], (1, 100), method=method)[0]
        wanted = (np.arange(100) + 0.5) * 0.4
        np.testing.assert_allclose(result[15:-15], wanted[15:-15], atol=0.02)

    @given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 30), st.integers(1, 30))
    def test_any_shape(self, rows, cols, more, columns):
        picture = np.random.default_rng(rows * 100 + cols).normal(size=(rows, cols))
        for method in ("spline", "lanczos"):
            result = en.resample(picture, (more, columns), method=method)
            assert result.shape == (more, columns)
            assert picture.min() - 1e-6 <= result.min()
            assert result.max() <= picture.max() + 1e-6

    def test_fine_stripes_do_not_return_as_coarse_ones(self):
        stripes = np.tile(np.sin(np.arange(128) * 2 * np.pi / 2.2), (128, 1))
        for method in ("spline", "lanczos"):
            assert en.resample(stripes, (43, 43), method=method).std() < 0.2 * stripes.std()

    def test_nan_is_where_the_nearest_pixel_was(self):
        picture = FLAT[:10, :10].copy()
        picture[4, 6] = np.nan
        holes = np.isnan(en.resample(picture, (20, 30)))
        np.testing.assert_array_equal(np.argwhere(holes), [(r, c) for r in (8, 9) for c in (18, 19, 20)])

    @pytest.mark.parametrize(
        ("shape", "options", "says"),
        [
            ((10,), {}, "shape must be 2 whole numbers from 1"),
            ((10, 0), {}, "shape must be 2 whole numbers from 1"),
            ((10, 2.5), {}, "shape must be 2 whole numbers from 1"),
            ((10, 10), {"method": "nearest"}, 'method must be "spline" or "lanczos"; got \'nearest\''),
        ],
    )
    def test_parameters_out_of_range_are_refused(self, shape, options, says):
        with pytest.raises(InputError, match=says):
            en.resample(FLAT, shape, **options)


class TestBias:
    rows, cols = np.indices((96, 96)) / 95
    shade = np.exp(0.3 * np.sin(2 * rows) + 0.3 * cols**2)
    tissue = np.where((np.indices((96, 96)) // 6).sum(axis=0) % 2, 300.0, 500.0)

    def test_a_known_shading_is_found(self):
        noisy = self.tissue * self.shade + np.random.default_rng(0).normal(0, 5, self.shade.shape)
        field = en.bias_field(noisy, mask=np.ones(noisy.shape), shrink=2)
        assert np.corrcoef(field.ravel(), self.shade.ravel())[0, 1] > 0.97
        assert field.mean() == pytest.approx(1, abs=1e-5)
        rest = en.correct_bias(noisy, mask=np.ones(noisy.shape), shrink=2) / self.tissue
        assert rest.std() / rest.mean() < 0.35 * self.shade.std() / self.shade.mean()

    def test_it_is_simpleitks(self):
        picture = (self.tissue * self.shade).astype(np.float32)
        image = sitk.GetImageFromArray(picture)
        corrector = sitk.N4BiasFieldCorrectionImageFilter()
        corrector.Execute(image, sitk.GetImageFromArray((picture > en.otsu(picture)).astype(np.uint8)))
        field = np.exp(sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)))
        field /= field[picture > en.otsu(picture)].mean()
        np.testing.assert_allclose(en.bias_field(picture, shrink=1), field, rtol=1e-4)

    def test_pixels_without_a_logarithm_are_not_looked_at(self):
        picture = self.tissue * self.shade
        picture[:20] = -50
        field = en.bias_field(picture, mask=np.ones(picture.shape))
        assert np.isfinite(field).all()
        assert field[picture > 0].mean() == pytest.approx(1, abs=1e-4)
        np.testing.assert_array_equal(en.bias_field(-picture.clip(1)), np.ones(picture.shape))

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"shrink": 0}, "shrink must be a whole number from 1"),
            ({"shrink": 1.5}, "shrink must be a whole number from 1"),
            ({"mask": np.ones((3, 3))}, r"mask must have the picture's shape \(90, 110\); got \(3, 3\)"),
        ],
    )
    def test_parameters_out_of_range_are_refused(self, options, says):
        for function in (en.bias_field, en.correct_bias):
            with pytest.raises(InputError, match=says):
                function(FLAT, **options)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: en.unsharp(x, sigma=0), "sigma must be a number above 0"),
        (lambda x: en.unsharp(x, amount=0), "amount must be a number above 0"),
        (lambda x: en.laplacian_sharpen(x, amount=-1), "amount must be a number above 0"),
        (lambda x: en.difference_of_gaussians(x, sigma=-1), "sigma must be a number above 0"),
        (lambda x: en.difference_of_gaussians(x, ratio=1), "ratio must be above 1; got 1"),
    ],
)
def test_parameters_out_of_range_are_refused(call, says):
    with pytest.raises(InputError, match=says):
        call(FLAT)
