"""JupyterLab in headless Chromium, for the tests that need a real browser.

`with Lab(folder) as lab: page = lab.open("a.ipynb"); lab.run_all(page)` opens a notebook, runs every cell and waits.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

CHROMIUM = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAIN = ["--disable-gpu", "--disable-3d-apis"]
WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL2 in software

SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}

CELLS = """() => jupyterapp.shell.currentWidget.content.model.toJSON().cells"""
RUN_ALL = """async () => {
    await jupyterapp.shell.currentWidget.sessionContext.ready;
    await jupyterapp.commands.execute("notebook:run-all-cells");
}"""
ASK = """async (code) => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({ code, store_history: false });
    let said = "";
    future.onIOPub = ({ content }) => (said += content.text ?? (content.evalue ? `${content.evalue}\n` : ""));
    await future.done;
    return said;
}"""


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: MEDLOC_CHROMIUM if it is set, else the first on the PATH; None if there is none."""
    named = os.environ.get("MEDLOC_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    return next((found for name in names if (found := shutil.which(name))), None)


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook with these code cells."""
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)


class Lab:
    """A JupyterLab server over a folder, and a browser; nothing of the user's own settings is read or written.

    Parameters
    ----------
    folder : the server's root; notebooks are named relative to it.

    Attributes
    ----------
    refused : addresses outside this machine that pages asked for, and did not get.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self._browsers: dict[bool, Browser] = {}
        self.refused: list[str] = []

    def __enter__(self) -> Self:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        for name, values in SETTINGS.items():
            file = home / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        token = "medloc-tests"
        self.url = f"http://127.0.0.1:{port}"
        self.query = f"token={token}&reset"
        options = [
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.root_dir={self.folder}",
            f"--LabApp.user_settings_dir={home / 'settings'}",
            f"--LabApp.workspaces_dir={home / 'workspaces'}",
            "--LabApp.expose_app_in_browser=True",
        ]
        own = {f"JUPYTER_{name.upper()}_DIR": str(home / name) for name in ("config", "data", "runtime")}
        env = {**os.environ, **own, "IPYTHONDIR": str(home / "ipython"), "OMP_NUM_THREADS": "1"}
        log = self._stack.enter_context((home / "log.txt").open("w+", encoding="utf-8"))
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=env, stdout=log, stderr=log, start_new_session=True
        )
        self._stack.callback(_end, server)
        end = time.monotonic() + 60
        while not _answers(f"{self.url}/api?token={token}"):
            if server.poll() is not None or time.monotonic() > end:
                log.seek(0)
                raise RuntimeError(f"JupyterLab did not start:\n{log.read()}")
            time.sleep(0.1)
        from playwright.sync_api import sync_playwright  # here, so that tests without a browser need none

        self._playwright = self._stack.enter_context(sync_playwright())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def browser(self, *, webgl: bool = False) -> Browser:
        """Chromium, started when it is first asked for; with WebGL2, which is in software, all else is slower."""
        if webgl not in self._browsers:
            chromium = find_chromium()
            if chromium is None:
                raise FileNotFoundError("no Chromium or Chrome was found; install one, or name it in MEDLOC_CHROMIUM")
            flags = CHROMIUM + (WEBGL if webgl else PLAIN)
            self._browsers[webgl] = self._playwright.chromium.launch(executable_path=chromium, args=flags)
            self._stack.callback(self._browsers[webgl].close)
        return self._browsers[webgl]

    def open(self, name: str, *, webgl: bool = False) -> Page:
        """Open a notebook in a new page of its own."""
        context = self.browser(webgl=webgl).new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.route(lambda url: not self._local(url), self._refuse)
        page.goto(f"{self.url}/lab/tree/{name}?{self.query}")
        page.wait_for_function("() => globalThis.jupyterapp?.shell?.currentWidget?.content?.widgets?.length > 0")
        page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
        page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
        return page

    def _refuse(self, route: Route) -> None:
        self.refused.append(route.request.url)
        route.abort()

    def _local(self, url: str) -> bool:
        """The network is cut: only this server and what a page made itself."""
        return url.startswith((self.url, self.url.replace("http", "ws"), "blob:", "data:"))

    def run_all(self, page: Page, *, seconds: float = 300) -> None:
        """Run every cell and wait for the last.

        Raises
        ------
        AssertionError
            If a cell ended with an error, or an output shows a widget that could not be displayed.
        """
        page.set_default_timeout(seconds * 1000)
        page.evaluate(RUN_ALL)
        page.set_default_timeout(30_000)
        cells = page.evaluate(CELLS)
        outputs = [o for cell in cells for o in cell.get("outputs", [])]
        errors = [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]
        errors += page.locator(".jp-OutputArea-output", has_text="Error displaying widget").all_inner_texts()
        unrun = [c["source"] for c in cells if c["cell_type"] == "code" and c["source"] and not c["execution_count"]]
        if errors or unrun:
            raise AssertionError(f"errors: {errors}; cells that did not run: {unrun}")

    def ready(self, name: str, selector: str, *, k: int = 0) -> Page:
        """A notebook, run, with the `k`-th element of the selector there, and little patience for what follows."""
        page = self.open(name)
        self.run_all(page)
        page.set_default_timeout(10_000)
        page.locator(selector).nth(k).wait_for()
        return page

    def ask(self, page: Page, expression: str) -> object:
        """The value of a Python literal that an expression has in the open notebook's kernel."""
        return ast.literal_eval(page.evaluate(ASK, f"print(repr({expression}))"))

    def check(self, name: str, *, picture: Path | None = None, webgl: bool = False, seconds: float = 300) -> None:
        """Open a notebook, run it from top to bottom, see that no cell fails, and take its picture if asked."""
        page = self.open(name, webgl=webgl)
        self.run_all(page, seconds=seconds)
        if picture is not None:
            self.picture(page, picture)
        page.context.close()

    def picture(self, page: Page, path: Path) -> None:
        """A screenshot of the whole notebook, up to 12,000 pixels high."""
        tall = page.evaluate("() => document.querySelector('.jp-Notebook .jp-WindowedPanel-inner').scrollHeight")
        page.set_viewport_size({"width": 1280, "height": min(12_000, max(900, tall + 150))})
        page.wait_for_function("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
        page.evaluate("() => jupyterapp.shell.currentWidget.content.scrollToItem(0, 'start')")
        page.wait_for_timeout(500)
        page.screenshot(path=path)

    def theme(self, page: Page, name: str) -> None:
        """Change to "JupyterLab Light" or "JupyterLab Dark"."""
        page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        light = "true" if name.endswith("Light") else "false"
        page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop its kernels and itself; insist after a while."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
