"""Ranges for a function's parameters, as the controls that stand for them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medloc_lib.errors import InputError

Raw = float | int | bool | list[list[float]]
"""What the front end has for a value."""


@dataclass(frozen=True)
class Control:
    """One parameter: a slider, a list to choose from, a switch, or a table of numbers.

    Parameters
    ----------
    name : of the parameter.
    kind : "slider", "choice", "switch" or "matrix".
    start : value it begins with: for a slider the number, for a choice the index, for a switch the bool, for a matrix
        its rows.
    low, high, step : of a slider.
    choices : of a choice.
    whole : whether a slider gives int.
    """

    name: str
    kind: str
    start: Raw
    low: float = 0.0
    high: float = 1.0
    step: float = 1.0
    choices: tuple[Any, ...] = ()
    whole: bool = False

    def facts(self) -> dict[str, Any]:
        """What the front end must know."""
        limits = {"min": self.low, "max": self.high, "step": self.step}
        return {"name": self.name, "kind": self.kind, **limits, "choices": [_name(c) for c in self.choices]}

    def value(self, raw: Any) -> Any:
        """What the function is given for the front end's number, index, bool or rows."""
        if self.kind == "choice":
            return self.choices[int(raw)]
        if self.kind == "switch":
            return bool(raw)
        if self.kind == "matrix":
            return np.asarray(raw, dtype=np.float64)
        return round(raw) if self.whole else float(raw)

    def raw(self, value: Any) -> Raw:
        """The front end's number, index, bool or rows for a value; the other way round.

        Raises
        ------
        InputError
            If the value is not in the range.
        """
        if self.kind == "choice":
            for i, choice in enumerate(self.choices):
                if choice is value or (type(choice) is type(value) and choice == value):
                    return i
            raise InputError(f"{self.name} must be one of {', '.join(map(_name, self.choices))}; got {value!r}")
        if self.kind == "switch":
            return bool(value)
        if self.kind == "matrix":
            rows, shape = np.asarray(value, dtype=np.float64), np.shape(self.start)
            if rows.shape != shape or not np.isfinite(rows).all():
                raise InputError(f"{self.name} must be finite numbers of shape {shape}; got shape {rows.shape}")
            return [[float(x) for x in row] for row in rows]
        if not self.low <= value <= self.high:
            raise InputError(f"{self.name} must be between {self.low:g} and {self.high:g}; got {value!r}")
        return int(value) if self.whole else float(value)


def controls_for(function: Callable[..., Any], ranges: Mapping[str, Any]) -> list[Control]:
    """One control per range.

    Parameters
    ----------
    function : its defaults are what the controls begin with, where they lie in the range; else the middle of a slider
        and the first of a choice.
    ranges : parameter to (low, high), (low, high, step), a list of choices, a bool, or a 2-D array to edit.

    Raises
    ------
    InputError
        If a range is none of these, is empty, or the function has no such parameter.

    Examples
    --------
    >>> def blur(picture, sigma=1.0, mode="reflect"): ...
    >>> [(c.kind, c.start) for c in controls_for(blur, {"sigma": (0.0, 5.0), "mode": ["wrap", "reflect"]})]
    [('slider', 1.0), ('choice', 1)]
    """
    defaults = _defaults(function, ranges)
    return [_control(name, spec, defaults.get(name)) for name, spec in ranges.items()]


def _control(name: str, spec: Any, default: Any) -> Control:
    if isinstance(spec, bool | np.bool_):
        return Control(name, "switch", bool(spec))
    if isinstance(spec, np.ndarray) and spec.ndim == 2 and spec.size and np.isfinite(spec).all():
        return Control(name, "matrix", [[float(x) for x in row] for row in spec])
    if isinstance(spec, list) and spec:
        made = Control(name, "choice", 0, choices=tuple(spec))
    elif isinstance(spec, tuple) and len(spec) in (2, 3) and all(_is_number(x) for x in spec):
        low, high = spec[:2]
        whole = all(isinstance(x, int | np.integer) for x in spec)
        step = spec[2] if len(spec) == 3 else 1 if whole else _round_step(high - low)
        if not (high > low and step > 0):
            raise InputError(f"the range of {name!r} must rise and its step be positive; got {spec}")
        middle = low + round((high - low) / 2 / step) * step
        made = Control(name, "slider", middle, float(low), float(high), float(step), whole=whole)
    else:
        raise InputError(
            f"the range of {name!r} must be (low, high), (low, high, step), a list of choices, a bool or a 2-D array; "
            f"got {spec!r}"
        )
    if default is None and not (made.kind == "choice" and None in made.choices):
        return made
    try:
        return Control(**{**vars(made), "start": made.raw(default)})
    except (InputError, TypeError):  # the function's own default lies outside the range that was asked for
        return made


def _defaults(function: Callable[..., Any], ranges: Mapping[str, Any]) -> dict[str, Any]:
    """The function's defaults; checks on the way that it takes what the ranges name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled functions may not tell
        return {}
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in ranges if name not in parameters and not takes_all]
    if unknown:
        raise InputError(f"the function has no parameter {unknown[0]!r}; it has {', '.join(parameters)}")
    return {name: p.default for name, p in parameters.items() if p.default is not p.empty}


def _round_step(span: Sequence[float] | float) -> float:
    """About a hundredth of the span, as 1, 2 or 5 times a power of ten.

    >>> _round_step(1.0), _round_step(7)
    (0.01, 0.05)
    """
    wanted = float(np.asarray(span)) / 100
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(f"{next(k for k in (1, 2, 5, 10) if k * power >= wanted * 0.7) * power:.6g}")


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float | np.number) and not isinstance(x, bool) and bool(np.isfinite(x))


def _name(choice: Any) -> str:
    return str(getattr(choice, "__name__", choice))
