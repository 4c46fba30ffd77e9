"""Figures show what they are given, and tell things apart without colour."""

import pytest

pytest.importorskip("matplotlib")

import torch

from silif_plugins import LIF, AdLIF, CSiLIF, SiLIF, State, plots
from silif_plugins.dynamics import oscillates
from silif_plugins.scan import scan
from silif_plugins.training import Summary


def luminance(colour):
    """Relative luminance of a colour, by the sRGB standard."""
    channels = torch.tensor([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = torch.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return (linear @ torch.tensor([0.2126, 0.7152, 0.0722])).item()


def summary(neuron, *, seeds=3, operations=2e5, accuracy=0.9):
    return Summary(neuron, seeds, 38716, accuracy, 0.01, operations, 1e3, 0.96, 0.03, 20.0)


def test_raster_has_a_dot_for_each_spike():
    spikes = torch.zeros(50, 8)
    spikes[3, 2] = spikes[40, 7] = 1
    spikes[9, 0] = 3  # a count
    figure = plots.raster({"layer": spikes}, dt=0.004)
    dots = torch.tensor(figure.axes[0].collections[0].get_offsets())
    torch.testing.assert_close(dots, torch.tensor([[12.0, 2.0], [36.0, 0.0], [160.0, 7.0]], dtype=dots.dtype))
    assert figure.axes[0].get_title(loc="right") == f"{100 * 3 / 400:.1f} % of bins"
    with pytest.raises(ValueError, match=r"layers\['layer'\]: got shape \(8,\)"):
        plots.raster({"layer": spikes[0]})


def test_traces_show_the_membrane_its_threshold_and_its_spikes():
    space = SiLIF(2, threshold=0.5).state_space()
    _, _, states = scan(space, 3 * torch.ones(60, 1, 2), return_states=True)
    states = State(*(field[:, 0] for field in states))
    top, bottom = plots.traces(space, states, neuron=1).axes
    membrane, threshold, spikes = top.get_lines()
    assert torch.equal(torch.tensor(membrane.get_ydata()), states.mem[:, 1].detach())
    assert set(threshold.get_ydata()) == {0.5}
    assert torch.tensor(spikes.get_xdata()).tolist() == torch.nonzero(states.spk[:, 1])[:, 0].tolist() != []
    assert torch.equal(torch.tensor(bottom.get_lines()[0].get_ydata()), states.ada[:, 1].detach())


def test_impulse_response_is_that_of_the_leak():
    figure = plots.impulse_response({"LIF": LIF(1, decay_u=0.9)}, steps=20)
    drawn = torch.tensor(figure.axes[0].get_lines()[0].get_ydata())
    torch.testing.assert_close(drawn, 0.1 * 0.9 ** torch.arange(20, dtype=torch.float64), rtol=1e-6, atol=0)


def test_eigenvalues_outside_of_the_circle_are_in_the_picture():
    figure = plots.eigenvalue_plane({"AdLIF": AdLIF(200).state_space(), "SiLIF": SiLIF(200).state_space()})
    for axes in figure.axes:
        values = torch.tensor(axes.collections[0].get_offsets())
        assert values.abs().max() < axes.get_xlim()[1] == axes.get_ylim()[1]
    assert torch.tensor(figure.axes[0].collections[0].get_offsets()).norm(dim=1).max() > 1.1
    stable = plots.eigenvalue_plane({"C-SiLIF": CSiLIF(200).state_space()})
    assert stable.axes[0].get_xlim()[1] < 1.2


def test_a_distribution_that_starts_as_one_value_does_not_dwarf_the_other():
    before, after = SiLIF(200), SiLIF(200)
    with torch.no_grad():
        after.log_dt += torch.randn(200)
    axes = next(axes for axes in plots.parameter_histograms(before, after).axes if axes.get_xlabel() == "log_dt")
    heights = [torch.tensor(patch.get_data().values) for patch in axes.patches]
    assert int((heights[0] > 0).sum()) == 1
    assert [each.max().item() for each in heights] == [1.0, 1.0]
    with pytest.raises(ValueError, match="after: got LIF; it must be SiLIF"):
        plots.parameter_histograms(before, LIF(200))


@pytest.mark.parametrize(
    ("neuron", "panels"), [(LIF(20), 1), (CSiLIF(20), 4), (SiLIF(20), 5)], ids=["LIF", "C-SiLIF", "SiLIF"]
)
def test_every_parameter_has_a_panel(neuron, panels):
    figure = plots.parameter_histograms(neuron, neuron)
    assert [axes.get_xlabel() for axes in figure.axes] == list(neuron.state_dict())
    assert len(figure.axes) == panels


def test_accuracy_has_a_marker_and_a_colour_for_each_neuron_and_bars_over_seeds():
    names = ["LIF", "RF", "AdLIF", "cAdLIF", "SiLIF", "C-SiLIF"]
    axes = plots.accuracy_against_operations([summary(name) for name in names]).axes[0]
    points = [container.lines[0] for container in axes.containers]
    assert len({point.get_marker() for point in points}) == len({point.get_color() for point in points}) == len(names)
    assert all(container.has_xerr and container.has_yerr for container in axes.containers)
    alone = plots.accuracy_against_operations([summary("SiLIF", seeds=1)]).axes[0]
    assert not alone.containers[0].has_yerr


def test_lines_differ_in_more_than_colour():
    figure = plots.impulse_response({"a": SiLIF(1), "b": SiLIF(1), "c": SiLIF(1), "d": SiLIF(1)})
    lines = figure.axes[0].get_lines()[:4]
    assert len({line.get_linestyle() for line in lines}) == 4


def test_colours_stand_out_on_white_and_on_dark_pages():
    dark = luminance("#1e2129")  # of the documentation's dark scheme
    for colour in (*plots.COLOURS, plots.INK):
        assert 1.05 / (luminance(colour) + 0.05) > 2
        assert (luminance(colour) + 0.05) / (dark + 0.05) > 3
    assert 1.05 / (luminance(plots.INK) + 0.05) > 4.5


def test_the_ground_is_transparent_and_ink_is_that_of_the_page(tmp_path):
    figure = plots.raster({"input": torch.eye(5)})
    text = plots.svg(figure)
    assert "currentColor" in text
    for drawn in ("#ffffff", "#000000", plots.INK):
        assert drawn not in text.partition("<g id")[2].replace("stroke: #000000; stroke-width: 0", "")
    plots.save(figure, tmp_path / "figure.svg")
    assert "prefers-color-scheme:dark" in (tmp_path / "figure.svg").read_text()


def drawings():
    """Every plot, with the number of its panels."""
    silif, csilif = SiLIF(20), CSiLIF(20)
    _, _, states = scan(silif.state_space(), torch.ones(30, 1, 20), return_states=True)
    states = State(*(field[:, 0] for field in states))
    spaces = {"a": silif.state_space(), "b": AdLIF(20).state_space()}
    one = {"loss": 1.0, "accuracy": 0.5}
    epochs = [{"epoch": 1, **{f"{split}_{name}": each for split in ("train", "valid") for name, each in one.items()}}]
    return {
        "raster": (2, lambda ax: plots.raster({"a": torch.eye(5), "b": torch.eye(5)}, ax=ax)),
        "traces": (2, lambda ax: plots.traces(silif.state_space(), states, ax=ax)),
        "delays": (2, lambda ax: plots.delay_matrices({"a": torch.rand(2, 3), "b": torch.rand(2, 3)}, ax=ax)),
        "impulse": (1, lambda ax: plots.impulse_response({"a": silif}, ax=ax)),
        "eigenvalues": (2, lambda ax: plots.eigenvalue_plane(spaces, ax=ax)),
        "regimes": (2, lambda ax: plots.regimes(spaces, ax=ax)),
        "parameters": (4, lambda ax: plots.parameter_histograms(csilif, csilif, ax=ax)),
        "operations": (1, lambda ax: plots.accuracy_against_operations([summary("LIF")], pareto=True, ax=ax)),
        "accuracies": (1, lambda ax: plots.accuracies([summary("LIF")], published={"LIF": 80.0}, ax=ax)),
        "curves": (2, lambda ax: plots.learning_curves(epochs, ax=ax)),
        "bars": (1, lambda ax: plots.grouped_bars({"a": {"x": 1.0, "y": 2.0}}, label="time", ax=ax)),
        "confusion": (1, lambda ax: plots.confusion(torch.eye(3), ["a", "b", "c"], ax=ax)),
    }


@pytest.mark.parametrize("name", drawings())
def test_plots_draw_into_axes_that_are_given(name):
    from matplotlib.figure import Figure

    panels, draw = drawings()[name]
    figure = Figure()
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    assert draw(axes[0] if panels == 1 else axes) is figure
    assert all(each.has_data() for each in axes)
    with pytest.raises(ValueError, match=f"ax: got {panels + 1} axes; this figure has {panels} panels"):
        draw([*axes, axes[0]])
    assert draw(None) is not figure


def test_regimes_are_told_by_the_simulated_eigenvalues():
    space = SiLIF(300).state_space()
    axes = plots.regimes({"SiLIF": space}).axes[0]
    resonate, integrate = axes.collections
    assert len(resonate.get_offsets()) == int(oscillates(space).sum())
    assert len(resonate.get_offsets()) + len(integrate.get_offsets()) == 300
    place = plots.regimes({"one": SiLIF(1, tau_u=0.02, tau_w=0.3, a=0.5).state_space()}).axes[0].collections[0]
    assert torch.tensor(place.get_offsets())[0].tolist() == pytest.approx([15.0, 0.5], rel=1e-4)
    with pytest.raises(ValueError, match=r"spaces\['C-SiLIF'\]: is no adaptive neuron"):
        plots.regimes({"C-SiLIF": CSiLIF(5).state_space()})


def test_the_pareto_front_is_of_those_that_none_beats():
    each = [
        summary("dear", operations=9e5, accuracy=0.95),
        summary("beaten", operations=3e5, accuracy=0.7),
        summary("cheap", operations=1e5, accuracy=0.8),
        summary("same cost", operations=1e5, accuracy=0.75),
    ]
    assert [one.neuron for one in plots.pareto_front(each)] == ["cheap", "dear"]
    axes = plots.accuracy_against_operations(each, pareto=True).axes[0]
    assert list(axes.get_lines()[0].get_xdata()) == [100, 900]
    assert axes.get_xscale() == "log"


def test_sizes_of_one_name_are_joined():
    sizes = [summary("SiLIF", operations=each) for each in (4e5, 1e5)]
    axes = plots.accuracy_against_operations([*sizes, summary("LIF")], join=True).axes[0]
    assert [len(container.lines[0].get_xdata()) for container in axes.containers] == [2, 1]
    assert list(axes.containers[0].lines[0].get_xdata()) == [100, 400]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_are_written(ending, tmp_path):
    path = tmp_path / "new folder" / f"figure.{ending}"
    plots.save(plots.raster({"input": torch.eye(5)}), path)
    assert path.read_bytes()[:8].lstrip()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")


def test_delay_matrices_share_a_scale():
    figure = plots.delay_matrices({"before": torch.tensor([[0.0, 9.0]]), "after": torch.tensor([3.0, 4.0, 5.0])})
    first, second = (axes.images[0] for axes in figure.axes[:2])
    assert first.get_clim() == second.get_clim() == (0, 9)
    assert second.get_array().shape == (1, 3)
    with pytest.raises(ValueError, match="delays: got none"):
        plots.delay_matrices({})
    with pytest.raises(ValueError, match=r"delays\['a'\]: got shape \(2, 2, 2\)"):
        plots.delay_matrices({"a": torch.zeros(2, 2, 2)})


def test_bars_are_as_long_as_their_numbers():
    numbers = {"a loop over all that there is": {"short": 10.0, "long": 30.0}, "kernel": {"short": 0.5}}
    axes = plots.grouped_bars(numbers, label="time", log=True).axes[0]
    bars = [(each.get_x(), each.get_x() + each.get_width()) for each in axes.patches if hasattr(each, "get_x")]
    assert bars == [(1, 10), (1, 0.5), (1, 30)]
    assert [text.get_text().strip() for text in axes.texts] == ["10", "0.5", "30"]
    assert axes.get_xlim()[0] <= 0.5
    assert max(map(len, axes.get_yticklabels()[0].get_text().splitlines())) < 23
    from_zero = plots.grouped_bars({"a": {"": 3.0}}, label="time").axes[0].patches[0]
    assert (from_zero.get_x(), from_zero.get_width()) == (0, 3)
    with pytest.raises(ValueError, match="all above 0"):
        plots.grouped_bars({"a": {"short": 0.0}}, label="time", log=True)


@pytest.mark.parametrize(("panels", "columns"), [(1, 2), (2, 2), (3, 2), (6, 3)])
def test_the_titles_of_eigenvalues_are_in_the_picture(panels, columns):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = plots.eigenvalue_plane({str(each): CSiLIF(9).state_space() for each in range(panels)}, columns=columns)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        assert axes.title.get_window_extent(canvas.get_renderer()).y1 < figure.bbox.y1
