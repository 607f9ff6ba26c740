"""Live widgets for JupyterLab: a viewer, a bench for functions with sliders, a mixer, a marker, and more.

Each is computed by the library and painted in the browser, and stores a still of itself beside it. The same figures
without a browser are in `medloc_lib.plot`.
"""

from __future__ import annotations

try:
    import anywidget  # noqa: F401
except ImportError as error:
    raise ImportError("medloc_lib.widgets needs anywidget and ipywidgets: pip install 'medloc[lab]'") from error

from medloc_lib.widgets.budget import budget
from medloc_lib.widgets.curves import curves
from medloc_lib.widgets.explorer import explore
from medloc_lib.widgets.features import explore_features
from medloc_lib.widgets.ground import ground
from medloc_lib.widgets.marker import mark
from medloc_lib.widgets.mixer import mix
from medloc_lib.widgets.som import explore_som
from medloc_lib.widgets.viewer import view
from medloc_lib.widgets.volume import view3d

__all__ = ["budget", "curves", "explore", "explore_features", "explore_som", "ground", "mark", "mix", "view", "view3d"]
