"""The page that `medloc view` shows: pictures, boxes and a slider through the slices, all in one file."""

from __future__ import annotations

import base64
import html
import io
import os
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from medloc_lib.bench.table import write_whole
from medloc_lib.data import dicom, images
from medloc_lib.data.annotations import read_folder
from medloc_lib.errors import ReadError
from medloc_lib.sample import Array, Sample

PLANES = 64  # of a volume, evenly spaced
SIDE = 640  # pixels of a picture's longer side, at most

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; background: Canvas; color: CanvasText; }
figure { display: inline-block; vertical-align: top; margin: 0 2rem 2rem 0; max-width: 40rem; }
figcaption { overflow-wrap: anywhere; }
svg { background: #000; max-width: 100%; height: auto; display: block; }
rect { fill: none; stroke: #fc0; stroke-width: 2px; vector-effect: non-scaling-stroke; }
rect.ignored { stroke-dasharray: 4; }
label { display: flex; gap: 1ch; } input { flex: 1; }
"""

SCRIPT = """
for (const figure of document.querySelectorAll("figure")) {
  const planes = [...figure.querySelectorAll("svg > g")];
  const slider = figure.querySelector("input");
  if (!slider) continue;
  const show = () => {
    planes.forEach((g, i) => g.style.display = i === Number(slider.value) ? "" : "none");
    figure.querySelector("output").value = planes[slider.value].dataset.name;
  };
  slider.addEventListener("input", show);
  show();
}
"""


def read(path: Path) -> Sequence[Sample]:
    """Whatever `path` holds, as samples. DICOM comes through its own window.

    Raises
    ------
    ReadError
        If there is no such path, or nothing in it can be read.
    """
    if not path.exists():
        raise ReadError(path, "there is no such file or folder")
    if path.is_dir():
        return read_folder(path, on_bad="drop")  # with a note that names them
    return [dicom.read(path, window=True) if images.may_be_dicom(path) else images.read_image(path)]


def write(samples: Sequence[Sample], out: Path | None, *, title: str) -> Path:
    """Write the page to `out`, or to a file of its own in the folder for temporary files. Gives its place."""
    place = out or Path(tempfile.mkdtemp(prefix="medloc-view-")) / "view.html"
    write_whole(place, page(samples, title))
    return place


def open_page(path: Path) -> bool:
    """Open the page in the user's browser; False where there is no screen for it."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(path.resolve().as_uri())


def page(samples: Sequence[Sample], title: str) -> str:
    """The whole page; text is escaped."""
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{name}</h1>\n{''.join(map(_figure, samples))}"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _figure(sample: Sample) -> str:
    color = sample.channels == ("R", "G", "B")
    volume = sample.image if sample.ndim == 3 else sample.image[:, None]
    volume = volume if color else volume[:1]
    count = volume.shape[1]
    shown = sorted(set(np.linspace(0, count - 1, min(count, PLANES)).round().astype(int).tolist()))
    low, high = _window(volume, color)
    rows, cols = volume.shape[2:]
    height = rows * sample.spacing[-2] / sample.spacing[-1]  # square pixels on the screen
    scale = SIDE / max(height, cols)
    parts = [
        f'<svg viewBox="0 0 {cols} {height:g}" width="{cols * scale:.0f}" height="{height * scale:.0f}" role="img" '
        f'aria-label="{html.escape(repr(sample), quote=True)}">'
    ]
    for plane in shown:
        picture = _png(volume[:, plane], low, high)
        parts.append(
            f'<g data-name="{plane + 1} of {count}"><image width="{cols}" height="{height:g}" '
            f'preserveAspectRatio="none" href="data:image/png;base64,{picture}"/>'
            f"{_boxes(sample, plane, height / rows)}</g>"
        )
    parts.append("</svg>")
    if count > 1:
        parts.append(
            f'<label>Slice <input type="range" min="0" max="{len(shown) - 1}" value="{len(shown) // 2}">'
            "<output></output></label>"
        )
    return f"<figure>{''.join(parts)}<figcaption>{html.escape(repr(sample))}</figcaption></figure>\n"


def _boxes(sample: Sample, plane: int, stretch: float) -> str:
    if sample.boxes is None or sample.labels is None or sample.ignore is None:
        return ""
    parts = []
    for box, label, ignored in zip(sample.boxes, sample.labels, sample.ignore, strict=True):
        start, stop = np.split(box, 2)
        if sample.ndim == 3 and not (start[0] < plane + 1 and stop[0] > plane):
            continue
        name = sample.classes[label] if sample.classes else f"label {label}"
        (row, col), (height, width) = start[-2:], (stop - start)[-2:]
        style = ' class="ignored"' if ignored else ""
        parts.append(
            f'<rect{style} x="{col:g}" y="{row * stretch:g}" width="{width:g}" height="{height * stretch:g}">'
            f"<title>{html.escape(name)}</title></rect>"
        )
    return "".join(parts)


def _window(volume: Array, color: bool) -> tuple[float, float]:
    """Black and white: all of it for bytes and for fractions, else the middle 99 %."""
    if color or volume.dtype == np.uint8:
        return 0.0, 255.0
    if volume.dtype.kind == "f" and volume.min() >= 0 and volume.max() <= 1:  # a DICOM file through its window
        return 0.0, 1.0
    low, high = (float(x) for x in np.percentile(volume[..., :: max(1, volume.size // 2**20)], (0.5, 99.5)))
    return low, high if high > low else low + 1.0


def _png(planes: Array, low: float, high: float) -> str:
    step = max(1, -(-max(planes.shape[1:]) // SIDE))
    small = (planes[:, ::step, ::step].astype(np.float32) - low) / (high - low) * 255
    pixels = np.clip(small, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0]).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
