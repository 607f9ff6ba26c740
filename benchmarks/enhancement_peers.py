"""What `benchmarks/enhancement.py` compares: each method, its float64 reference, and what else does the same."""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that its users give it
from numpy.typing import NDArray
from skimage import exposure, filters, measure, metrics, restoration, transform

from medloc_lib import enhancement as ours
from tests.enhancement import reference

Array = NDArray[Any]
Call = Callable[[], Any]


@dataclass
class Method:
    """One row of the table."""

    name: str
    own: Call
    exact: Call
    peers: dict[str, Call]
    coarse: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


def method(
    name: str,
    *arguments: Any,
    peers: dict[str, Call],
    exact: Call | None = None,
    coarse: tuple[str, ...] = (),
    differs: tuple[str, ...] = (),
    **options: Any,
) -> Method:
    """The function of that name (up to a comma) on these arguments, and its reference."""
    function = name.split(",")[0]
    same = exact or (lambda: getattr(reference, function)(*arguments, **options))
    return Method(name, lambda: getattr(ours, function)(*arguments, **options), same, peers, coarse, differs)


def picture(shape: tuple[int, ...] = (512, 512), seed: int = 0) -> NDArray[np.float32]:
    """Smooth structures with noise, about 0 to 1,000."""
    rng = np.random.default_rng(seed)
    planes = [cv2.GaussianBlur(rng.normal(size=shape[-2:]), (0, 0), 6) for _ in range(int(np.prod(shape[:-2])))]
    smooth = np.stack(planes).reshape(shape)
    noisy = 500 + 120 * smooth / smooth.std() + rng.normal(0, 20, shape)
    return np.asarray(noisy, dtype=np.float32)


def itk(image: Array, work: Callable[[Any], Any]) -> Call:
    """To SimpleITK and back, as a user of arrays has to."""
    return lambda: sitk.GetArrayFromImage(work(sitk.GetImageFromArray(image)))


def shares(x: Array, work: Callable[[Array], Array]) -> Call:
    """By way of shares of the range, as most of scikit-image asks for, and back to units."""

    def run() -> Array:
        low, high = x.min(), x.max()
        return np.asarray(work((x - low) / (high - low)) * (high - low) + low, dtype=np.float32)

    return run


def whole(bits: int, x: Array, work: Callable[[Array], Any]) -> Call:
    """By way of 8 or 16 bit and back; a level that comes out is the one half a step over it."""

    def run() -> Any:
        low, high = float(x.min()), float(x.max())
        top, kind = 2**bits - 1, cv2.CV_8U if bits == 8 else cv2.CV_16U
        done = work(cv2.normalize(x, None, 0, top, cv2.NORM_MINMAX, kind))  # type: ignore[call-overload]
        if np.ndim(done) == 0:
            return low + (high - low) * (done + 0.5) / top
        result = done.astype(np.float32)
        result *= np.float32((high - low) / top)
        result += np.float32(low)
        return result

    return run


def clipped(x: Array, result: Array) -> Array:
    return np.clip(result, x.min(), x.max(), out=result)


def every_method(x: Array) -> Iterator[Method]:
    """All rows, in the order of the modules."""
    for part in (contrast, thresholds, levels, histograms, noise, restorations, measures):
        yield from part(x)


def contrast(x: Array) -> Iterator[Method]:
    low, high = (float(v) for v in np.percentile(x, (30, 90)))
    width, lowest, highest = high - low, float(x.min()), float(x.max())

    def cv_window() -> Array:
        line = cv2.addWeighted(x, 1 / width, x, 0, -low / width)
        return cv2.threshold(cv2.threshold(line, 1, 0, cv2.THRESH_TRUNC)[1], 0, 0, cv2.THRESH_TOZERO)[1]

    peers: dict[str, Call] = {
        "scikit-image": lambda: exposure.rescale_intensity(x, (low, high), (0, 1)),
        "OpenCV": cv_window,
        "SimpleITK": itk(x, lambda i: sitk.IntensityWindowing(i, low, high, 0, 1)),
    }
    yield method("window", x, center=(low + high) / 2, width=width, peers=peers)
    peers = {
        "scikit-image": lambda: exposure.rescale_intensity(x, (low, high), (x.min(), x.max())),
        "SimpleITK": itk(x, lambda i: sitk.IntensityWindowing(i, low, high, lowest, highest)),
    }
    yield method("stretch", x, low=low, high=high, peers=peers)
    peers = {
        "scikit-image": lambda: exposure.rescale_intensity(x, tuple(np.percentile(x, (1, 99))), (x.min(), x.max()))
    }
    yield method("stretch_percentiles", x, peers=peers)
    peers = {
        "scikit-image": shares(x, lambda y: exposure.adjust_gamma(y, 0.7)),
        "OpenCV": shares(x, lambda y: cv2.pow(y, 0.7)),
    }
    yield method("gamma", x, exponent=0.7, peers=peers)
    peers = {
        "scikit-image": shares(x, exposure.adjust_log),
        "OpenCV": shares(x, lambda y: cv2.log(y + np.float32(1)) / np.float32(np.log(2))),
    }
    yield method("logarithm", x, strength=1, peers=peers)
    peers = {
        "scikit-image": shares(x, lambda y: exposure.adjust_sigmoid(y, 0.5, 10)),
        "OpenCV": shares(x, lambda y: 1 / (1 + cv2.exp((np.float32(0.5) - y) * np.float32(10)))),
        "SimpleITK": itk(
            x, lambda i: sitk.Sigmoid(i, (highest - lowest) / 10, (lowest + highest) / 2, highest, lowest)
        ),
    }
    yield method("sigmoid", x, peers=peers)


def thresholds(x: Array) -> Iterator[Method]:
    low, high = (float(v) for v in np.percentile(x, (50, 90)))
    lowest = float(x.min())

    def cv_hard() -> Array:
        ground = x.min()
        over = cv2.threshold(x - ground, low - float(ground), 0, cv2.THRESH_TOZERO)[1]
        over += ground
        return np.asarray(over)

    def itk_hysteresis() -> Array:
        mask = sitk.DoubleThreshold(sitk.GetImageFromArray(x), low, high, 1e9, 1e9, 1, 0, True)
        return np.asarray(np.where(sitk.GetArrayFromImage(mask), x, x.min()))

    peers: dict[str, Call] = {
        "OpenCV": cv_hard,
        "SimpleITK": itk(x, lambda i: sitk.Threshold(i, low, 1e30, lowest)),
    }
    yield method("hard_threshold", x, level=low, peers=peers)
    peers = {"OpenCV": lambda: cv2.max(x - np.float32(low - x.min()), float(x.min()))}  # type: ignore[call-overload]
    yield method("soft_threshold", x, level=low, peers=peers)
    peers = {
        "OpenCV": lambda: np.where(cv2.inRange(x, low, high), x, x.min()),
        "SimpleITK": itk(x, lambda i: sitk.Threshold(i, low, high, lowest)),
    }
    yield method("band_threshold", x, low=low, high=high, peers=peers)
    peers = {
        "scikit-image": lambda: np.where(filters.apply_hysteresis_threshold(x, low, high), x, x.min()),
        "SimpleITK": itk_hysteresis,
    }
    yield method("hysteresis_threshold", x, low=low, high=high, peers=peers, differs=("scikit-image",))


def levels(x: Array) -> Iterator[Method]:
    def itk_level(name: str) -> Call:
        def run() -> float:
            rule = getattr(sitk, f"{name}ThresholdImageFilter")()
            rule.Execute(sitk.GetImageFromArray(x))
            return float(rule.GetThreshold())

        return run

    def itk_multi() -> list[float]:
        rule = sitk.OtsuMultipleThresholdsImageFilter()
        rule.SetNumberOfThresholds(2)
        rule.SetNumberOfHistogramBins(256)
        rule.Execute(sitk.GetImageFromArray(x))
        return list(rule.GetThresholds())

    def cv_level(bits: int, rule: int) -> Call:
        return whole(bits, x, lambda codes: cv2.threshold(codes, 0, 0, rule)[0])

    peers: dict[str, Call] = {
        "scikit-image": lambda: filters.threshold_otsu(x),
        "OpenCV 16 bit": cv_level(16, cv2.THRESH_OTSU),
        "OpenCV 8 bit": cv_level(8, cv2.THRESH_OTSU),
        "SimpleITK": itk_level("Otsu"),
    }
    yield method("otsu", x, peers=peers, coarse=("OpenCV 8 bit",), exact=lambda: np.mean(reference.otsu(x)))
    peers = {"scikit-image": lambda: filters.threshold_multiotsu(x), "SimpleITK": itk_multi}
    yield method("multi_otsu", x, peers=peers, differs=("scikit-image", "SimpleITK"))
    peers = {
        "scikit-image": lambda: filters.threshold_triangle(x),
        "OpenCV 8 bit": cv_level(8, cv2.THRESH_TRIANGLE),
        "SimpleITK": itk_level("Triangle"),
    }
    yield method("triangle", x, peers=peers, differs=("scikit-image", "SimpleITK"))
    peers = {"scikit-image": lambda: filters.threshold_li(x), "SimpleITK": itk_level("Li")}
    exact = lambda: filters.threshold_li(x.astype(np.float64))  # noqa: E731
    yield method("li", x, peers=peers, exact=exact, differs=("SimpleITK",))


def histograms(x: Array) -> Iterator[Method]:
    y, volume = np.square(picture(seed=1)), picture((16, 128, 128))

    def sk_halves() -> Array:
        dark = x <= x.mean()
        result = np.empty_like(x)
        for part in (dark, ~dark):
            values = x[part]
            result[part] = values.min() + (values.max() - values.min()) * exposure.equalize_hist(values)
        return result

    def itk_match() -> Array:
        one, other = (sitk.GetImageFromArray(z) for z in (x, y))
        return np.asarray(sitk.GetArrayFromImage(sitk.HistogramMatching(one, other, 1024, 255, False)))

    peers: dict[str, Call] = {
        "scikit-image": shares(x, exposure.equalize_hist),
        "OpenCV 8 bit": whole(8, x, cv2.equalizeHist),
    }
    yield method("equalize", x, peers=peers, coarse=("OpenCV 8 bit",), differs=("scikit-image",))
    halves = "scikit-image, by halves"
    yield method("equalize_bihistogram", x, peers={halves: sk_halves}, differs=(halves,))
    peers = {"scikit-image": lambda: exposure.match_histograms(x, y), "SimpleITK": itk_match}
    exact = lambda: exposure.match_histograms(x.astype(np.float64), y.astype(np.float64))  # noqa: E731
    yield method("match", x, y, peers=peers, exact=exact, differs=("SimpleITK",))
    limit = cv2.createCLAHE(2.0, (8, 8))
    peers = {
        "scikit-image": shares(x, lambda s: exposure.equalize_adapthist(s, 64, 0.01)),
        "OpenCV 16 bit": whole(16, x, limit.apply),
        "OpenCV 8 bit": whole(8, x, limit.apply),
        "SimpleITK": itk(x, lambda i: sitk.AdaptiveHistogramEqualization(i, (5, 5))),
    }
    own = ("scikit-image", "OpenCV 16 bit", "SimpleITK")
    yield method("clahe", x, peers=peers, coarse=("OpenCV 8 bit",), differs=own)
    peers = {"scikit-image": shares(volume, lambda s: exposure.equalize_adapthist(s, (8, 16, 16), 0.01))}
    yield method("clahe, 16×128×128", volume, tiles=(2, 8, 8), peers=peers, differs=("scikit-image",))


def noise(x: Array) -> Iterator[Method]:
    def medians(size: int) -> dict[str, Call]:
        found: dict[str, Call] = {
            "scikit-image": lambda: filters.median(x, np.ones((size, size)), mode="nearest"),
            "SimpleITK": itk(x, lambda i: sitk.Median(i, [size // 2] * 2)),
        }
        return found | ({"OpenCV": lambda: cv2.medianBlur(x, size)} if size < 7 else {})

    for size in (3, 5, 7):
        yield method(f"median, side {size}", x, size=size, peers=medians(size))
    peers: dict[str, Call] = {
        "scikit-image": lambda: restoration.denoise_bilateral(x, 7, 60, 2),
        "OpenCV": lambda: cv2.bilateralFilter(x, 7, 60, 2, borderType=cv2.BORDER_REFLECT),
        "SimpleITK": itk(x, lambda i: sitk.Bilateral(i, 2.0, 60.0)),
    }
    yield method("bilateral", x, sigma=2, contrast=60, peers=peers, differs=("scikit-image", "SimpleITK"))
    share = 16 / float(x.max() - x.min())

    def cv_means(bits: int, norm: int) -> Call:
        strength = [share * (2**bits - 1)]
        return whole(bits, x, lambda codes: cv2.fastNlMeansDenoising(codes, strength, None, 5, 13, norm))

    peers = {
        "scikit-image": lambda: restoration.denoise_nl_means(x, 5, 6, h=16, sigma=20, fast_mode=True),
        "OpenCV 16 bit": cv_means(16, cv2.NORM_L1),
        "OpenCV 8 bit": cv_means(8, cv2.NORM_L2),
    }
    own = ("scikit-image", "OpenCV 16 bit")
    yield method("non_local_means", x, noise=20, peers=peers, coarse=("OpenCV 8 bit",), differs=own)
    peers = {
        "scikit-image": lambda: restoration.denoise_tv_chambolle(x, 10.0),
        "scikit-image, 1,000 steps": lambda: restoration.denoise_tv_chambolle(x, 10.0, eps=0, max_num_iter=1000),
    }
    yield method("total_variation", x, weight=10, peers=peers)


def restorations(x: Array) -> Iterator[Method]:
    shaded = (x - x.min() + np.float32(1)) * (np.float32(1) + np.linspace(-0.3, 0.3, 512, dtype=np.float32)[:, None])
    inside = (shaded > ours.otsu(shaded)).astype(np.uint8)
    big, small = (1024, 1024), (256, 256)

    def n4(kind: Any) -> Array:
        image = sitk.GetImageFromArray(shaded.astype(kind))
        rule = sitk.N4BiasFieldCorrectionImageFilter()
        rule.Execute(sitk.Shrink(image, [4, 4]), sitk.Shrink(sitk.GetImageFromArray(inside), [4, 4]))
        field = np.exp(sitk.GetArrayFromImage(rule.GetLogBiasFieldAsImage(image)))
        return np.asarray(shaded / field * field[inside > 0].mean(), dtype=kind)

    def cv_blur(sigma: float) -> Array:
        return cv2.GaussianBlur(x, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)

    def itk_dog(i: Any) -> Any:
        fine, coarse = (sitk.DiscreteGaussian(i, [s**2] * 2, 32, 1e-4) for s in (1.0, 1.6))
        return fine - coarse

    def itk_resample(kind: int) -> Call:
        grid = (big, sitk.Transform(), kind, (-0.25, -0.25), (0.5, 0.5), (1, 0, 0, 1))
        return lambda: clipped(x, itk(x, lambda i: sitk.Resample(i, *grid))())

    def itk_vessels() -> Array:
        image = sitk.GetImageFromArray(x)
        blurred = (sitk.SmoothingRecursiveGaussian(image, s) for s in (1.0, 2.0, 3.0))
        found = [sitk.ObjectnessMeasure(b, 0.5, 0.5, 5.0, True, 1, True) for b in blurred]
        return np.asarray(np.max([sitk.GetArrayFromImage(f) for f in found], axis=0))

    yield method("correct_bias", shaded, peers={"SimpleITK": lambda: n4(np.float32)}, exact=lambda: n4(np.float64))
    peers: dict[str, Call] = {
        "scikit-image": lambda: clipped(x, filters.unsharp_mask(x, 1.5, 1, preserve_range=True)),
        "OpenCV": lambda: clipped(x, cv2.addWeighted(x, 2, cv_blur(1.5), -1, 0)),
        "SimpleITK": itk(x, lambda i: sitk.UnsharpMask(i, [1.5, 1.5], 1.0, 0.0)),
    }
    yield method("unsharp", x, peers=peers, differs=("SimpleITK",))
    peers = {
        "scikit-image": lambda: clipped(x, x + filters.laplace(x)),
        "OpenCV": lambda: clipped(x, x - cv2.Laplacian(x, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE)),
        "SimpleITK": itk(x, sitk.LaplacianSharpening),
    }
    yield method("laplacian_sharpen", x, peers=peers, differs=("scikit-image", "SimpleITK"))
    peers = {
        "scikit-image": lambda: filters.difference_of_gaussians(x, 1, 1.6, mode="reflect"),
        "OpenCV": lambda: cv2.subtract(cv_blur(1), cv_blur(1.6)),
        "SimpleITK": itk(x, itk_dog),
    }
    yield method("difference_of_gaussians", x, peers=peers, differs=("SimpleITK",))
    peers = {
        "scikit-image": lambda: transform.resize(x, big, order=3, mode="symmetric"),
        "SimpleITK": itk_resample(sitk.sitkBSpline),
    }
    yield method("resample, spline, ×2", x, big, peers=peers, differs=("SimpleITK",))
    peers = {"scikit-image": lambda: transform.resize(x, small, order=3, mode="symmetric", anti_aliasing=True)}
    yield method("resample, spline, ÷2", x, small, peers=peers)
    peers = {
        "OpenCV": lambda: clipped(x, cv2.resize(x, big, interpolation=cv2.INTER_LANCZOS4)),
        "SimpleITK": itk_resample(sitk.sitkLanczosWindowedSinc),
    }
    yield method("resample, lanczos, ×2", x, big, method="lanczos", peers=peers, differs=("SimpleITK",))
    peers = {
        "scikit-image": lambda: filters.frangi(x, sigmas=(1, 2, 3), black_ridges=False),
        "SimpleITK": itk_vessels,
    }
    yield method("frangi", x, peers=peers, differs=("scikit-image", "SimpleITK"))


def measures(x: Array) -> Iterator[Method]:
    y = x + picture(seed=2) / 10
    span = float(x.max() - x.min())
    one, other = y.astype(np.float64), x.astype(np.float64)

    def sk_ssim(a: Array, b: Array) -> float:
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        return float(metrics.structural_similarity(a, b, data_range=span, **options))

    def sk_psnr(a: Array, b: Array) -> float:
        return float(metrics.peak_signal_noise_ratio(b, a, data_range=float(b.max() - b.min())))

    yield method("entropy", x, peers={"scikit-image": lambda: measure.shannon_entropy(x)}, differs=("scikit-image",))
    peers: dict[str, Call] = {
        "scikit-image": lambda: sk_psnr(y, x),
        "OpenCV": lambda: cv2.PSNR(y, x, float(x.max() - x.min())),
    }
    yield method("psnr", y, x, peers=peers, exact=lambda: sk_psnr(one, other))
    yield method("ssim", y, x, peers={"scikit-image": lambda: sk_ssim(y, x)}, exact=lambda: sk_ssim(one, other))
