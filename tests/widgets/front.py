"""A front end for tests: takes a widget's messages and sends it what a browser would."""

from __future__ import annotations

import numpy as np

TYPES = {"uint8", "int8", "int16", "uint16", "int32", "float32"}  # what a browser has arrays of


class Front:
    """Stands in for the browser of one widget."""

    def __init__(self, widget, monkeypatch):
        self.widget = widget
        self.got = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: self.got.append((content, buffers)))

    def say(self, **content):
        """A custom message to the kernel."""
        self.widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})

    def set(self, **state):
        """A change of state, as a control makes it."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})


def unpacked(facts, buffer):
    """Pixels as the browser sees them: (depth, rows, cols)."""
    assert facts["dtype"] in TYPES
    return np.frombuffer(buffer, facts["dtype"]).reshape(facts["shape"])
