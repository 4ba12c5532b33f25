"""What JupyterLab shows of a notebook that is not trusted, as every notebook is that somebody else has executed."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
from playwright.sync_api import Browser, Page

from smsroi_helpers import locale, pages
from smsroi_helpers.contract import PAGE_MARKUP

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_TOKEN = "a-token-of-this-test-only"


def _write_notebook(file: Path) -> None:
    """A notebook with a figure as it is saved, and with one as HTML alone would be: neither is signed."""
    locale.use_language("en")
    pages.use_style()
    _, ax = plt.subplots()
    ax.plot([1, 2, 3], [4, 2, 3])
    data, metadata = pages.figure(ax, alt="Orders fall, then rise", caption="Orders by week.")._repr_mimebundle_()
    bare = {"text/html": data[PAGE_MARKUP], "text/plain": "the page's markup"}
    amounts, of_amounts = pages.note("From $12 to $34 a week.")._repr_mimebundle_()
    shown = [(data, metadata), (bare, metadata), (amounts, of_amounts)]
    outputs = [nbformat.v4.new_output("display_data", one, metadata=its) for one, its in shown]
    cells = [nbformat.v4.new_code_cell("shown", outputs=[output], execution_count=1) for output in outputs]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab with its own settings, signatures and folder, where the notebook lies."""
    folder = tmp_path_factory.mktemp("lab")
    _write_notebook(folder / "shown.ipynb")
    port = _free_port()
    places = {f"JUPYTER_{name}_DIR": str(folder / f".{name.lower()}") for name in ("DATA", "CONFIG", "RUNTIME")}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={_TOKEN}", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=os.environ | places, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        for _attempt in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.5)
        yield f"{address}/lab/tree/shown.ipynb?token={_TOKEN}&reset"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            # Now and then its loop ends before a worker thread's task is fetched, and Python waits for that thread.
            server.kill()
            server.wait()


@pytest.fixture
def opened(browser: Browser, lab: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.goto(lab)
    page.locator(".jp-OutputArea-output").nth(1).wait_for(timeout=90_000)
    yield page
    page.close()


def test_a_figure_shows_in_a_notebook_that_is_not_trusted(opened: Page) -> None:
    first, second = (opened.locator(".jp-CodeCell").nth(place) for place in (0, 1))
    picture = first.locator(".jp-OutputArea-output img")
    picture.wait_for(timeout=30_000)
    seen = picture.evaluate("i => [i.complete, i.naturalWidth, i.getBoundingClientRect().width, i.alt]")
    assert seen[0]
    assert seen[1] > 600
    assert seen[2] > 300
    assert seen[3] == "Orders fall, then rise"
    assert "Orders by week" in first.inner_text()
    # The same notebook shows that it is not trusted: there the page's own markup loses its drawing.
    assert "Orders by week" in second.inner_text()
    assert second.locator(".jp-OutputArea-output svg").count() == 0


def test_amounts_of_money_are_no_formulas(opened: Page) -> None:
    third = opened.locator(".jp-CodeCell").nth(2)
    third.scroll_into_view_if_needed()
    third.get_by_text("From $12 to $34 a week.", exact=True).wait_for(timeout=30_000)
    opened.wait_for_timeout(2_000)  # until JupyterLab has loaded what typesets formulas
    assert third.locator("mjx-container, .MathJax").count() == 0
    assert third.locator(".jp-OutputArea-output").inner_text().strip() == "From $12 to $34 a week."
