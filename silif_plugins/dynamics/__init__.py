"""How spiking neurons move: the contract that any neuron fulfils, and the forms that have fast kernels.

:class:`StateSpace` is the fast case, :class:`HardReset` the one beside it; :class:`ModalSpace` and :class:`DenseSpace`
have up to eight states; :class:`Flow` runs for any duration; and anything else that has the few methods of
:class:`Dynamics` runs on the reference loop. Nothing here knows parameters, a time loop or a host library.
"""

from .contract import Dynamics, NeuronState, StateT
from .dense_space import DenseSpace
from .flow import Flow
from .general_reset import RESET_ACTIONS, RESET_CONDITIONS, GeneralReset, GeneralState, ResetAction, ResetCondition
from .graded import is_graded, levels
from .hard_reset import RESET_MECHANISMS, HardReset, ResetMechanism, between_spikes, linear_part, with_reset
from .linear_system import LinearSystem
from .modal_space import ModalSpace
from .stability import eigenvalues, is_stable, jury_margins, oscillates, spectral_radius, stability_margin
from .state_space import PackedSpace, State, StateSpace

__all__ = [
    "RESET_ACTIONS",
    "RESET_CONDITIONS",
    "RESET_MECHANISMS",
    "DenseSpace",
    "Dynamics",
    "Flow",
    "GeneralReset",
    "GeneralState",
    "HardReset",
    "LinearSystem",
    "ModalSpace",
    "NeuronState",
    "PackedSpace",
    "ResetAction",
    "ResetCondition",
    "ResetMechanism",
    "State",
    "StateSpace",
    "StateT",
    "between_spikes",
    "eigenvalues",
    "is_graded",
    "is_stable",
    "jury_margins",
    "levels",
    "linear_part",
    "oscillates",
    "spectral_radius",
    "stability_margin",
    "with_reset",
]
