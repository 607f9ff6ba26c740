"""`view3d`: a volume with its mask and boxes in three dimensions, drawn by ipyniivue."""

from __future__ import annotations

from typing import Any

import ipywidgets
import nibabel
import numpy as np
import traitlets
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry import affine_from, centers, clip
from medloc_lib.plot import pictures, planes
from medloc_lib.plot.pictures import Array
from medloc_lib.sample import Detections, Sample
from medloc_lib.widgets.base import Widget, script, wire_type

ARRANGEMENTS = ("planes and 3-D", "3-D", "axial", "coronal", "sagittal")
MISSING = "The volume is drawn by ipyniivue, which is not installed: pip install 'medloc[lab]'. Three planes instead:"
MISSING_WEBGL = "This browser has no WebGL2, which the volume is drawn with. Three planes instead:"


def view3d(
    volume: Sample | ArrayLike, *, channel: str | None = None, detections: Detections | None = None
) -> VolumeViewer:
    """Look at a volume in three planes and in 3-D, with its mask and its boxes.

    Drag with the right button for the window, scroll for the plane, drag the 3-D part to turn it. The patient's right
    is on the left. Nothing is fetched: the volume goes from memory to the browser.

    Parameters
    ----------
    volume : Sample of three axes, or array (planes, rows, cols).
    channel : name of the channel; default the first.
    detections : boxes to draw beside the truth.

    Raises
    ------
    InputError
        If there is no volume or no such channel.
    """
    sample = pictures.as_sample(volume)
    if sample.ndim != 3:
        raise InputError(f"view3d needs a volume, (planes, rows, cols); got a picture of {sample.shape}: use view")
    return VolumeViewer(sample, channel or sample.channels[0], detections)


class VolumeViewer(Widget):
    """The widget that `view3d` gives.

    Parameters
    ----------
    sample, channel, detections : as in `view3d`.
    """

    _esm = script("volume")
    _canvas = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    arrangement = traitlets.Enum(ARRANGEMENTS, ARRANGEMENTS[0], help="What is shown.").tag(sync=True)
    opacity = traitlets.Float(0.5, min=0, max=1, help="Of mask and boxes.").tag(sync=True)

    def __init__(self, sample: Sample, channel: str, detections: Detections | None = None) -> None:
        self.sample = sample
        self.channel = channel
        self.detections = detections
        self._parts = parts(sample, channel, detections)
        canvas = _niivue(self._parts, pictures.default_window(sample, channel))
        if canvas is not None:
            canvas.scene.crosshair_pos = self._cross(self.place())
        super().__init__(
            _canvas=canvas,
            _facts={
                "title": f"{sample.id or 'volume'}, {channel}",
                "arrangements": list(ARRANGEMENTS),
                "overlays": len(self._parts) > 1,
                "missing": "" if canvas else MISSING,
                "webgl": MISSING_WEBGL,
            },
        )
        self.observe(self._changed, names=["arrangement", "opacity"])

    def place(self) -> tuple[int, int, int]:
        """Index (plane, row, col) that is looked at first: the middle of the first box, or of the volume."""
        shape, boxes = self.sample.shape, self.sample.boxes
        middle = np.asarray(shape) / 2 if boxes is None or not len(boxes) else centers(boxes)[0]
        plane, row, col = (min(int(x), n - 1) for x, n in zip(middle, shape, strict=True))
        return plane, row, col

    def still(self) -> Figure:
        """Three planes: `plot.planes`."""
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        planes(self.sample, axes=figure.subplots(1, 3), channel=self.channel, at=self.place())
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        size = "×".join(map(str, self.sample.shape))
        return f"Volume viewer: {self.sample.id or 'volume'}, {self.channel}, {size} voxels"

    def _cross(self, index: tuple[int, int, int]) -> list[float]:
        """An index as ipyniivue's crosshair: fractions of the volume to the right, to anterior, to superior."""
        turned = nibabel.orientations.io_orientation(nifti_affine(self.sample))  # type: ignore[no-untyped-call]
        cross = [0.0, 0.0, 0.0]
        for i, n, (axis, side) in zip(index[::-1], self.sample.shape[::-1], turned, strict=True):
            cross[int(axis)] = (i + 0.5) / n if side > 0 else 1 - (i + 0.5) / n
        return cross

    def _changed(self, change: Any) -> None:
        if self._canvas is None:
            return
        if change["name"] == "opacity":
            for overlay in self._canvas.volumes[1:]:
                overlay.opacity = change["new"]
        else:
            from ipyniivue import SliceType

            kinds = (SliceType.MULTIPLANAR, SliceType.RENDER, SliceType.AXIAL, SliceType.CORONAL, SliceType.SAGITTAL)
            self._canvas.set_slice_type(kinds[ARRANGEMENTS.index(change["new"])])


def parts(sample: Sample, channel: str, detections: Detections | None = None) -> dict[str, bytes]:
    """The volume, its mask and its boxes as NIfTI files in memory, by name; the last two only where there are any.

    The mask holds 1 to n for its labels in turn of colour; the boxes are shells one voxel thick, 1 for a truth, 2 for a
    detection, 3 for an ignored box.
    """
    made = {"picture": to_nifti(sample, sample[channel])}
    if sample.mask is not None and (sample.mask != 0).any():
        labels = np.where(sample.mask != 0, (sample.mask - 1) % len(pictures.COLORS) + 1, 0)
        made["mask"] = to_nifti(sample, labels.astype(np.uint8))
    marks = pictures.truth_marks(sample) + pictures.found_marks(detections, sample.classes, 3)
    if marks:
        shells = np.zeros(sample.shape, dtype=np.uint8)
        for mark in marks:
            _shell(shells, np.asarray(mark.box), 1 + list(pictures.KINDS).index(mark.kind))
        made["boxes"] = to_nifti(sample, shells)
    return made


def nifti_affine(sample: Sample) -> Array:
    """Index (col, row, plane) to RAS mm; without an affine the sample lies upright at the origin, with its spacing."""
    lps = affine_from(sample.spacing) if sample.affine is None else sample.affine
    turn = np.eye(4)[[2, 1, 0, 3]]  # (col, row, plane) to (plane, row, col)
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps @ turn)


def to_nifti(sample: Sample, array: Array) -> bytes:
    """An array of the sample's spatial shape as a NIfTI file: axes (col, row, plane), affine to RAS."""
    pixels = np.ascontiguousarray(array.T, dtype=wire_type(array))
    image: Any = nibabel.Nifti1Image(pixels, nifti_affine(sample))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    data: bytes = image.to_bytes()
    return data


def _shell(volume: Array, box: Array, value: int) -> None:
    """Paint the outermost voxels of a box: every plane through it shows its outline."""
    edges = clip(box[None], volume.shape)[0]
    start = np.minimum(np.floor(edges[:3]).astype(int), np.asarray(volume.shape) - 1)
    stop = np.maximum(np.ceil(edges[3:]).astype(int), start + 1)
    region = volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    for axis in range(3):
        for side in (0, -1):
            np.moveaxis(region, axis, 0)[side] = value


def _niivue(volumes: dict[str, bytes], window: tuple[float, float]) -> Any:
    """ipyniivue's widget over these volumes, or None where it is not installed."""
    try:
        from ipyniivue import MultiplanarType, NiiVue, ShowRender, Volume
    except ImportError:
        return None
    canvas = NiiVue(
        height=480,
        is_radiological_convention=True,
        drag_and_drop_enabled=False,
        multiplanar_layout=MultiplanarType.GRID,
        multiplanar_show_render=ShowRender.ALWAYS,
        crosshair_color=(1.0, 1.0, 1.0, 0.6),
        crosshair_width=0.5,
        log_level="error",
    )
    low, high = window
    loaded = [Volume(name="picture.nii", data=volumes["picture"], colormap="gray", cal_min=low, cal_max=high)]
    palettes = {"mask": pictures.COLORS, "boxes": tuple(pictures.KINDS.values())}
    for name, palette in palettes.items():
        if name in volumes:
            overlay = Volume(name=f"{name}.nii", data=volumes[name], opacity=0.5)
            overlay.set_colormap_label(_label_colors(palette))
            loaded.append(overlay)
    canvas.load_volumes(loaded)
    return canvas


def _label_colors(palette: tuple[str, ...]) -> dict[str, list[Any]]:
    """Colours of labels 1 to n for ipyniivue; 0 is clear."""
    rgb = [[0, 0, 0], *([int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in palette)]
    red, green, blue = (list(x) for x in zip(*rgb, strict=True))
    count = len(rgb)
    alpha = [0, *[255] * (count - 1)]
    return {"R": red, "G": green, "B": blue, "A": alpha, "I": list(range(count)), "labels": [""] * count}
