import pytest
import torch

nir = pytest.importorskip("nir")
pytest.importorskip("nirtorch")

from silif_plugins.formats import READERS, ExportError, check_nir, export  # noqa: E402
from silif_plugins.sparch import to_nir  # noqa: E402

from .conftest import frames, network  # noqa: E402


@pytest.mark.parametrize("reader", ["silif_plugins.norse", "silif_plugins.snntorch", "nirtorch with our nodes"])
def test_these_read_what_we_write(reader, tmp_path):
    pytest.importorskip(READERS[reader][0])
    net = network(neuron="C-SiLIF", connection="axonal", connection_options={"max_delay": 4, "rounded": True})
    nir.write(tmp_path / "net.nir", to_nir(net))
    (report,) = check_nir(tmp_path / "net.nir", reader=reader)
    assert report.fine, report
    assert str(report) == f"{reader}: the same 600 outputs"


@pytest.mark.parametrize("reader", ["norse", "snntorch", "nirtorch", "sinabs", "spikingjelly"])
def test_these_do_not_and_it_is_said_which_node(reader, capsys):
    try:
        pytest.importorskip(READERS[reader][0])
    except Exception as error:  # installed, but broken
        pytest.skip(str(error))
    (report,) = check_nir(to_nir(network()), reader=reader)
    assert not report.fine
    assert report.problem.startswith("layer01_neurons.n")
    assert capsys.readouterr().out == ""


def test_the_first_output_that_differs_is_named():
    graph, inputs = to_nir(network()), frames(2, 30).transpose(0, 1)
    changed = to_nir(network())
    changed.nodes["layer04_weights"].bias[2] += 1  # as a reader that gets a bias wrong
    import silif_plugins.formats.nir_readers as readers

    READERS["wrong"] = ("nir", lambda _, dt: readers._nirtorch_with_nodes(changed, dt))
    try:
        (report,) = check_nir(graph, reader="wrong", inputs=inputs)
    finally:
        del READERS["wrong"]
    assert report.first == (0, 0, 2)
    assert report.differing == 60
    assert str(report) == "wrong: 60 of 180 outputs differ, the first at step 0, sample 0, neuron 2"


def test_a_file_of_lif_neurons():
    """What hosts read of each other: ours run it by the host's own neuron."""
    pytest.importorskip("norse")
    ones = torch.ones(3).numpy()
    nodes = {
        "input": nir.Input({"input": ones.shape}),
        "lif": nir.LIF(tau=0.02 * ones, r=ones, v_leak=0 * ones, v_threshold=0.1 * ones),
        "output": nir.Output({"output": ones.shape}),
    }
    graph = nir.NIRGraph(nodes=nodes, edges=[("input", "lif"), ("lif", "output")])
    with pytest.raises(ValueError, match="graph: its nodes cannot be run: lif, a node LIF: Unknown node type"):
        check_nir(graph)


def test_export(tmp_path):
    said = export(network(), tmp_path / "net.nir", to="nir", dt=0.01)
    assert check_nir(tmp_path / "net.nir", reader="nirtorch with our nodes")[0].fine
    assert any(line.startswith("nirtorch: cannot: ") for line in said["readers"])
    with pytest.raises(ExportError, match=r"hidden\.0: reads the sequence backwards"):
        export(network(bidirectional=True), tmp_path / "other.nir", to="nir")
    assert [file.name for file in tmp_path.iterdir()] == ["net.nir"]


def test_unknown_reader():
    with pytest.raises(ValueError, match=r"reader: got 'nors'; it must be one of .*did you mean norse"):
        check_nir(to_nir(network()), reader="nors")
