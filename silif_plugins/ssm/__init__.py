"""State space systems: S4D, SpikingSSM with its surrogate dynamic network, spiking LinOSS, Mamba, networks of them."""

from .diagonal import DiagonalSSM
from .encoder import Comparison, TokenEmbedding
from .language import LanguageModel
from .lif import HardLIF
from .linoss import SpikingLinOSS
from .mamba import MambaBlock
from .network import StateSpaceNetwork, StateSpaceOutput
from .networks import MambaNet, S4DNet, SpikingLinOSSNet, SpikingSSMNet
from .parallel import FixedPoint, fixed_point
from .recurrence import linear_recurrence
from .s4d import S4D
from .sdn import SDN, SpikeAccuracy, spike_accuracy, train_sdn
from .spiking import SpikingSSM
from .words import AdaptiveWords

__all__ = [
    "S4D",
    "SDN",
    "AdaptiveWords",
    "Comparison",
    "DiagonalSSM",
    "FixedPoint",
    "HardLIF",
    "LanguageModel",
    "MambaBlock",
    "MambaNet",
    "S4DNet",
    "SpikeAccuracy",
    "SpikingLinOSS",
    "SpikingLinOSSNet",
    "SpikingSSM",
    "SpikingSSMNet",
    "StateSpaceNetwork",
    "StateSpaceOutput",
    "TokenEmbedding",
    "fixed_point",
    "linear_recurrence",
    "spike_accuracy",
    "train_sdn",
]
