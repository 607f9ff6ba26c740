"""Show a finished figure in a notebook, with words for those who cannot see it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from medloc_lib.errors import InputError


def present(figure: Figure | Axes | Sequence[Axes], *, alt: str) -> None:
    """Show a figure as the output of a notebook cell, with an alternative text.

    The text stands in the output's metadata, where web pages made from the notebook find it, and as the output's plain
    text. The figure is closed.

    Parameters
    ----------
    figure : a figure, or axes of it, as the functions of `medloc_lib.plot` give them.
    alt : what the figure shows, in one sentence.
    """
    from IPython.display import display

    whole = figure if isinstance(figure, Figure) else _figure_of(figure)
    buffer = io.BytesIO()
    whole.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    display(  # type: ignore[no-untyped-call]
        {"image/png": _smaller(buffer), "text/plain": alt},
        raw=True,
        metadata={"image/png": {"alt": alt}},
    )
    plt.close(whole)


def _smaller(png: io.BytesIO) -> bytes:
    """The picture in 256 colours of its own: noise hardly shrinks otherwise, and a notebook holds many."""
    few = io.BytesIO()
    Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(few, format="png", optimize=True)
    return few.getvalue()


def _figure_of(axes: Axes | Sequence[Axes]) -> Figure:
    first = axes if isinstance(axes, Axes) else axes[0]
    figure = first.get_figure(root=True)
    if figure is None:
        raise InputError("these axes belong to no figure any more; draw them anew")
    return figure
