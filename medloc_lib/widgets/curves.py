"""`curves`: how a training goes, while it goes, with a button that ends it."""

from __future__ import annotations

import time
from typing import Any

import traitlets
from matplotlib.figure import Figure

from medloc_lib.plot import learning
from medloc_lib.widgets.base import Widget, script

MOST = 400
"""Points of the loss that are drawn; of a longer run every second, fourth, … step."""

PAUSE = 0.25
"""Seconds from one picture to the next."""


def curves(title: str = "Training") -> Curves:
    """Loss and score of a training, live, and a button that stops it and keeps the best weights.

    Show it, then hand it to what trains as `watch`:

        live = curves()
        display(live)
        localizer.fit(train, validation=val, watch=live)

    A click reaches the kernel while it trains where front end and kernel have subshells, as JupyterLab 4.4 and
    ipykernel 7 do. Everywhere the kernel's own stop button does the same.

    Examples
    --------
    >>> curves()
    Training: not begun
    """
    return Curves(title)


class Curves(Widget):
    """The widget that `curves` gives.

    Called with each `medloc_lib.deep.settings.Progress`, it says whether to stop.
    """

    _esm = script("curves")
    _state = traitlets.Dict().tag(sync=True)
    stop = traitlets.Bool(False, help="Whether the training shall end.").tag(sync=True)

    def __init__(self, title: str = "Training") -> None:
        self.title = title
        self.progress: Any = None
        self.losses: list[tuple[int, float]] = []
        self._every = 1
        self._told = 0.0
        super().__init__(_facts={"title": title})

    def __call__(self, progress: Any) -> bool:
        """Take note of how far the training is; True if it shall end."""
        if self.progress is not None and progress.step < self.progress.step:  # another training begins
            self.losses, self._every, self.stop = [], 1, False
        ended = self.progress is not None and len(progress.history) > len(self.progress.history)
        self.progress = progress
        if progress.step % self._every == 0 and not ended:
            self.losses.append((progress.step, progress.loss))
        if len(self.losses) > MOST:
            self.losses, self._every = self.losses[1::2], 2 * self._every
        if (
            self._over() or self.stop or time.monotonic() - self._told > PAUSE
        ):  # epochs may be shorter than a message takes
            self._tell()
        return self.stop

    def open(self) -> None:
        super().open()
        self._let_answers_in()

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        self._let_answers_in()

    def _let_answers_in(self) -> None:
        """Let a click come by the front end's own subshell.

        ipykernel 7.4 hands an answer to the shell that last sent something, which here is the one that trains and has
        no time. It forgets that, and then asks the front end.
        """
        getattr(self.comm, "__dict__", {}).pop("_reply_subshell_id", None)

    def still(self) -> Figure:
        """The present state as a figure: `plot.learning`."""
        figure = Figure(figsize=(8.4, 2.8), layout="constrained")
        history = () if self.progress is None else self.progress.history
        learning({self.title: history}, axes=list(figure.subplots(1, 2)), metric=self._metric())
        return figure

    def words(self) -> str:
        """The present state as a sentence."""
        if self.progress is None:
            return f"{self.title}: not begun"
        p = self.progress
        scores = [epoch.score for epoch in p.history if epoch.score is not None]
        best = f", best {p.metric} {max(scores):.3f}" if scores else ""
        return f"{self.title}: step {p.step} of {p.steps}, loss {p.loss:.3f}{best}"

    def _metric(self) -> str:
        return "score" if self.progress is None else str(self.progress.metric)

    def _over(self) -> bool:
        return bool(self.progress.step >= self.progress.steps and len(self.progress.history) == self.progress.epochs)

    def _tell(self) -> None:
        """The present state for the front end."""
        p = self.progress
        self._told = time.monotonic()
        per_epoch = p.steps / p.epochs
        self._state = {
            "step": p.step,
            "steps": p.steps,
            "losses": [list(point) for point in self.losses],
            "scores": [[round(e.epoch * per_epoch), e.score] for e in p.history if e.score is not None],
            "metric": p.metric,
            "words": self.words(),
            "over": self._over(),
        }
