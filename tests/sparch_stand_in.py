"""A module like SpArch's models.snns: layers found by name, names checked against a list."""

from torch import nn


class SNN(nn.Module):
    def __init__(self, input_shape, layer_sizes, neuron_type="LIF"):
        super().__init__()
        if neuron_type not in ["LIF"]:
            raise ValueError(neuron_type)
        self.input_shape, self.layer_sizes, self.neuron_type = input_shape, layer_sizes, neuron_type
        self.snn = self._init_layers()

    def _init_layers(self):
        sizes = [self.input_shape[2], *self.layer_sizes]
        layer = globals()[self.neuron_type + "Layer"]
        return nn.ModuleList([layer(sizes[i], sizes[i + 1], self.input_shape[0]) for i in range(len(sizes) - 1)])

    def forward(self, x):
        for layer in self.snn:
            x = layer(x)
        return x.sum(dim=1), x.mean(dim=(0, 1))


class LIFLayer(nn.Linear):
    def __init__(self, inputs, outputs, batch):
        super().__init__(inputs, outputs)
