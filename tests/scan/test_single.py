"""One step on the kernel refuses what it would read beyond."""

import pytest
import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan.single import SingleStep
from silif_plugins.surrogate import ATan


@pytest.mark.parametrize("size", [1, 3, 7])
def test_states_smaller_than_a_vector_are_refused(size):
    space = SiLIF(size).state_space()
    assert not SingleStep.fits(space, torch.Size([2, size]), ATan())
    with pytest.raises(ValueError, match=rf"surrogate: got a shape \(2, {size}\)"):
        SingleStep(space, torch.Size([2, size]), ATan())
