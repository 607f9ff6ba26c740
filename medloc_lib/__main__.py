"""``python -m medloc_lib`` is the `medloc` command."""

from __future__ import annotations

from medloc_lib.cli import main

main()
