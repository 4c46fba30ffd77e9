"""The notebooks of snnTorch in which its Leaky, Synaptic or StateLeaky is used with training or a simulation.

What differs from notebook to notebook is here: the sizes that our constructors need, where a network is made, and what
is shortened, so that a run takes seconds. All ways of putting a neuron there are shortened alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Notebook:
    """One notebook.

    Attributes:
        sizes: Expressions of the size of each neuron, in the order in which their constructors stand in the notebook.
        made: Beginning of a statement that makes a network: what puts our neurons into it. ``Ours`` is their class.
        shorter: Text of the notebook, and what stands there instead.
        accuracy: Pattern of the accuracy, by spikes and on test data, that the notebook prints.
        percent: What it prints, times this, is percent.
        last: How many of the last accuracies it prints are averaged.
    """

    sizes: tuple[str, ...]
    made: dict[str, str] = field(default_factory=dict)
    shorter: dict[str, str] = field(default_factory=dict)
    accuracy: str = r"(?i)test (?:set )?acc(?:uracy)?: +([\d.]+)"
    percent: float = 1.0
    last: int = 1


def _replace(net: str, *sample: int) -> str:
    """Code that replaces all snn.Leaky of a network, given the shape of an input."""
    return f"replace({net}, snn.Leaky, Ours, sample=torch.zeros{sample})"


SMALL = {"batch_size = 128": "batch_size = 64"}
TUTORIAL_5 = {**SMALL, "num_epochs = 1": "num_epochs = 3"}
ENCODER = ("(32, 1, 1)", "(64, 1, 1)", "(128, 1, 1)", "latent_dim")
DECODER = ("(128, 1, 1)", "(64, 1, 1)", "(32, 1, 1)", "(1, 1, 1)")
LATENT = ("128*4*4",)

NOTEBOOKS = {
    "quickstart": Notebook(
        ("(8, 1, 1)", "(16, 1, 1)", "10", "300", "10"),
        {"net = nn.Sequential": _replace("net", 2, 1, 28, 28), "net = Net()": _replace("net", 2, 1, 28, 28)},
        {
            **SMALL,
            "num_steps = 25": "num_steps = 15",
            "0.2)\n\nnum_epochs = 1 ": "0.2)\n\nnum_epochs = 16 ",  # the second network is the cheaper one
            "num_epochs = 1 ": "num_epochs = 3 ",
        },
    ),
    "tutorial_3_feedforward_snn": Notebook(
        ("1", "1000", "10"),
        {
            "lif1 = snn.Leaky(beta=0.8)": "lif1 = from_leaky(lif1, Ours, size=1)",
            "lif1 = snn.Leaky(beta=beta)": "lif1 = from_leaky(lif1, Ours, size=1000)",
            "lif2 = snn.Leaky": "lif2 = from_leaky(lif2, Ours, size=10)",
        },
    ),
    "tutorial_4_advanced_neurons": Notebook(("1",), {"lif1 = snn.Synaptic": "lif1 = from_leaky(lif1, Ours, size=1)"}),
    "tutorial_5_FCN": Notebook(
        ("1", "1000", "10"),
        {"net = Net()": _replace("net", 2, 784)},
        TUTORIAL_5,
    ),
    "tutorial_5_fullgraph": Notebook(
        ("1", "1000", "10"),
        {"net = Net()": _replace("net", 2, 784)},
        TUTORIAL_5,
    ),
    "tutorial_6_CNN": Notebook(
        ("1", "(12, 1, 1)", "(64, 1, 1)", "10", "(12, 1, 1)", "(64, 1, 1)", "10"),
        {"net = nn.Sequential": _replace("net", 2, 1, 28, 28)},
        {
            **SMALL,
            "num_steps = 50": "num_steps = 10",
            "num_epochs = 1": "num_epochs = 6",
            "counter % 50": "counter % 47",  # tested at the last step, too
        },
    ),
    "tutorial_7_neuromorphic_datasets": Notebook(
        ("(12, 1, 1)", "(32, 1, 1)", "10"),
        {"net = nn.Sequential": _replace("net", 2, 2, 34, 34)},
        {
            **SMALL,
            "time_window=1000)": "time_window=2500)",
            "num_epochs = 1": "num_epochs = 16",
        },
        accuracy=r"Accuracy: ([\d.]+)%",  # of the batches of training: it reports no other
        last=3,
    ),
    "tutorial_8_snntorch_linearleaky": Notebook(("1", "1000", "10"), {}, TUTORIAL_5),
    "tutorial_BSNN": Notebook(
        ("(16, 1, 1)", "(32, 1, 1)", "10"),
        {"model = BSNN": _replace("model", 2, 1, 28, 28)},
        {"batch_size=64, shuffle=True": "batch_size=16, shuffle=True", '"epochs": 100': '"epochs": 10'},
    ),
    "tutorial_delta_SNNs": Notebook(
        ("1",), {"leaky_neuron = snn.Leaky": "leaky_neuron = from_leaky(leaky_neuron, Ours, size=1)"}, SMALL
    ),
    "tutorial_exoplanet_hunter": Notebook(
        ("64", "32", "2"),
        {"model = Net()": _replace("model", 64, 3197)},
        {"lr=0.001)": "lr=0.1)", "num_epochs = 100": "num_epochs = 30"},
    ),
    "tutorial_forward_forward": Notebook(
        ("out_features",),
        # This network has no forward: it finds the sizes of its neurons in its own way of being used.
        {"net = Net([784, 500, 500], 'lif')": "net.predict(torch.zeros(2, 784)); replace(net, snn.Leaky, Ours)"},
        {"self.num_epochs = 1000": "self.num_epochs = 30"},
        accuracy="by the membranes, not by spikes",
    ),
    "tutorial_pop": Notebook(
        ("128", "10", "128", "500"),
        {
            "net = nn.Sequential": _replace("net", 2, 1, 28, 28),
            "net_pop = nn.Sequential": _replace("net_pop", 2, 1, 28, 28),
        },
        {**SMALL, "num_epochs = 5": "num_epochs = 20"},
    ),
    "tutorial_regression_1": Notebook(
        ("self.hidden", "self.hidden", "1"),
        {"model = Net": _replace("model", 50, 1, 1)},
        {"num_iter = 100": "num_iter = 50"},
    ),
    "tutorial_sae": Notebook(
        ENCODER + (ENCODER + LATENT) + 2 * (ENCODER + LATENT + DECODER),
        {"net = SAE()": _replace("net", 2, 1, 32, 32)},
        {"batch_size = 250": "batch_size = 16", "lr=0.0001": "lr=0.001", "epochs=10": "epochs=2"},
    ),
    "tutorial_stmnist": Notebook(
        ("(32, 1, 1)", "(64, 1, 1)", "10"),
        {"scnn_net = nn.Sequential": _replace("scnn_net", 2, 2, 10, 10)},
        {
            "num_epochs = 30": "num_epochs = 12",
            "short_train_size = 640": "short_train_size = 192",
            "short_test_size = 320": "short_test_size = 192",
        },
        accuracy=r"average loss across the testloader is: ([\d.]+)",  # it is the accuracy
        percent=100.0,
    ),
    "SNN_Tutorial_Derrick_Lee": Notebook(
        ("(12, 1, 1)", "(32, 1, 1)", "11") * 2,
        {"net = nn.Sequential": _replace("net", 2, 2, 32, 32)},
        {
            "[denoise_transform, frame_transform]": "[frame_transform]",
            "n_time_bins=25": "n_time_bins=8",
            "batch_size=64": "batch_size=16",
            "num_epochs = 50": "num_epochs = 8",
        },
    ),
    "SNN_Tutorial_George_Austin": Notebook(
        ("(12, 1, 1)", "(32, 1, 1)", "4"),
        {"net = nn.Sequential": _replace("net", 2, 2, 35, 35)},
        {"num_epochs = 20": "num_epochs = 4"},
    ),
}
