import pytest
import torch

nir = pytest.importorskip("nir")
nirtorch = pytest.importorskip("nirtorch")

from silif_plugins.exchange import node_map, timestep_of  # noqa: E402
from silif_plugins.neurons import LI  # noqa: E402
from silif_plugins.scan import scan  # noqa: E402
from silif_plugins.sparch import SpArchNet, to_nir  # noqa: E402

KINDS = {
    "SiLIF": {},
    "C-SiLIF, a bias": {"neuron": "C-SiLIF", "bias": True},
    "recurrent": {"neuron": "RadLIF"},
    "no reset": {"reset_mechanism": "none", "normalization": "none", "neuron_options": {"threshold": 0.1}},
    "axonal delays": {"connection": "axonal", "connection_options": {"max_delay": 4, "rounded": True}},
    "delays of synapses": {"connection": "delayed", "connection_options": {"max_delay": 4, "round_in_eval": True}},
    "delays of outputs": {"connection": "dendritic", "connection_options": {"max_delay": 4, "rounded": True}},
}


def network(**options):
    torch.manual_seed(0)
    net = SpArchNet(12, (16, 16), 3, **options).double().eval().requires_grad_(False)
    for norm in net.modules():
        if isinstance(norm, torch.nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.005, 0.02)
    return net


@pytest.mark.parametrize("kind", KINDS)
def test_the_nodes_give_the_networks_readout(kind, tmp_path):
    """Executed node by node, from a file, in float64."""
    net = network(**KINDS[kind])
    nir.write(tmp_path / "net.nir", to_nir(net, dt=0.004))
    graph = nir.read(tmp_path / "net.nir")
    assert timestep_of(graph) == 0.004
    inputs = (torch.rand(2, 40, 12) < 0.3).double()
    activity = inputs.transpose(0, 1)
    for layer in net.hidden:
        activity = layer.spikes(activity)
    assert activity.any()
    membrane = scan(net.readout.neuron, net.readout.current(activity), return_states=True)[2].mem
    run, state = nirtorch.nir_to_torch(graph, node_map(0.004), dtype=torch.float64), None
    for now, expected in zip(inputs.unbind(1), membrane, strict=True):
        output, state = run(now, state)
        torch.testing.assert_close(output, expected)
    assert isinstance(net.readout.neuron, LI)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bidirectional": True}, r"hidden\.0: reads the sequence backwards"),
        ({"normalization": "layernorm"}, r"hidden\.0\.current\.norm: got LayerNorm"),
        ({"reset_mechanism": "zero"}, r"hidden\.0: NIR has no nodes for neurons of HardReset"),
        ({"neuron": "SE-adLIF"}, r"hidden\.0: NIR has no nodes for neurons of "),
        *(
            (
                {"connection": kind, "connection_options": {"max_delay": 4}},
                r"hidden\.0\.current\.weights: its delays are not in whole steps",
            )
            for kind in ("axonal", "delayed", "dendritic")
        ),
        (
            {"recurrent": True, "recurrent_connection": "axonal", "recurrent_options": {"max_delay": 4}},
            r"hidden\.0: NIR has no nodes for recurrent weights of AxonalLinear",
        ),
    ],
)
def test_what_has_no_node_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        to_nir(network(**options))
