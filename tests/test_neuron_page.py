"""The page on which one moves sliders computes what the package does: its file is run by node, and in Chromium."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from silif_plugins.dynamics import eigenvalues, jury_margins, oscillates
from silif_plugins.neurons import CSiLIF, SiLIF
from silif_plugins.scan import scan

from .deploy.browser import BROWSER, Browser

FILE = Path(__file__).parents[1] / "docs" / "neuron.js"

SILIF = [
    {"tau_u": 0.03, "tau_w": 0.15, "dt": 0.004, "a": 0.5, "b": 0.5},
    {"tau_u": 0.004, "tau_w": 0.4, "dt": 0.0005, "a": 0.0, "b": 0.0},
    {"tau_u": 0.1, "tau_w": 0.1, "dt": 0.03, "a": 1.0, "b": 2.0},
    {"tau_u": 0.01, "tau_w": 0.2, "dt": 0.01, "a": 1.7, "b": 2.5},  # clamped
]
CSILIF = [
    {"decay": 0.5, "omega": 3.14159, "dt": 0.1, "b": 0.5},
    {"decay": 10.0, "omega": 20.0, "dt": 0.5, "b": 1.0},
    {"decay": 0.05, "omega": 0.0, "dt": 0.001, "b": 0.1},
]


def core(model, values):
    given = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        inside = {name: min(max(value, 0.0), 1.0 if name == "a" else 2.0) for name, value in values.items()}
        options = {name: inside[name] if name in ("a", "b") else float(each) for name, each in given.items()}
        return model(1, **options).state_space()
    finally:
        torch.set_default_dtype(before)


ANSWERS = """(page, asked) => asked.cases.map(([name, values]) => {
  const space = page[name](values);
  return {space, eigenvalues: page.eigenvalues(space), margins: page.margins(space),
          oscillates: page.oscillates(space), run: page.run(space, asked.currents),
          free: page.run(space, asked.currents, false)};
})"""


def by_node(asked, _):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    code = f"const page = require({json.dumps(str(FILE))}), asked = JSON.parse(require('fs').readFileSync(0));"
    code += f"console.log(JSON.stringify(({ANSWERS})(page, asked)));"
    done = subprocess.run(["node", "-e", code], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def by_chromium(asked, place):
    """On the page as it is in the documentation, whose sliders are drawn at the start."""
    if BROWSER is None:
        pytest.skip("Chromium is not installed")
    page = FILE.parent / "explanations" / "neuron.md"
    body = re.search(r'<div id="neuron".*?</div>\s*(?=<script|\n\n)', page.read_text(), re.DOTALL)[0]
    ready = "<script>window.addEventListener('load', () => document.body.dataset.ready = 'yes')</script>"
    script = f"<script>{FILE.read_text()}</script>"
    (place / "page.html").write_text(f'<meta charset="utf-8"><body>{body}{script}{ready}')
    with Browser(place / "profile") as browser:
        browser.open(f"file://{place}/page.html")
        assert browser.run("document.querySelectorAll('#neuron input[type=range]').length") > 4
        functions = "{silif, csilif, eigenvalues, margins, oscillates, run}"
        return browser.run(f"({ANSWERS})({functions}, {json.dumps(asked)})")


@pytest.mark.parametrize("engine", [by_node, by_chromium])
def test_arithmetic(engine, tmp_path):
    torch.manual_seed(0)
    currents = (10 * torch.rand(150, dtype=torch.float64) - 2).tolist()
    cases = [("silif", SiLIF, values) for values in SILIF] + [("csilif", CSiLIF, values) for values in CSILIF]
    asked = {"cases": [[name, values] for name, _, values in cases], "currents": currents}
    fired = 0
    for (_, model, values), answer in zip(cases, engine(asked, tmp_path), strict=True):
        space = core(model, values)
        for name, field in zip(space._fields, space, strict=True):
            assert answer["space"][name] == pytest.approx(float(field), rel=1e-12, abs=1e-15), (values, name)
        expected = [[z.real.item(), z.imag.item()] for z in eigenvalues(space)[0]]
        assert [x for pair in answer["eigenvalues"] for x in pair] == pytest.approx(
            [x for pair in expected for x in pair], rel=1e-9, abs=1e-12
        )
        assert answer["margins"] == pytest.approx(jury_margins(space)[0].tolist(), rel=1e-9, abs=1e-12)
        assert answer["oscillates"] == bool(oscillates(space))
        current = torch.tensor(currents, dtype=torch.float64).view(-1, 1, 1)
        spikes, _, states = scan(space, current, return_states=True)
        assert answer["run"]["spk"] == spikes.flatten().tolist()
        assert answer["run"]["mem"] == pytest.approx(states.mem.flatten().tolist(), rel=1e-9, abs=1e-12)
        free = scan(space._replace(threshold=torch.tensor(torch.inf)), current, return_states=True)[2]
        assert answer["free"]["ada"] == pytest.approx(free.ada.flatten().tolist(), rel=1e-9, abs=1e-12)
        fired += int(spikes.sum())
    assert fired > 50


def test_nothing_comes_from_elsewhere():
    text = FILE.read_text() + (FILE.parent / "explanations" / "neuron.md").read_text()
    assert "http" not in text
