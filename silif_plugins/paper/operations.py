"""Synaptic operations of systems that the paper compares with and did not train: by formulas from their sizes."""

from __future__ import annotations

S5_RF_PER_STEP = 21_751
"""Operations of S5-RF in one time step of SHD or SSC, as Huber et al. (2025) state them."""


def event_ssm_operations(states: int, channels: int, *, events: int = 8000, stride: int = 8) -> int:
    """Return the operations of an Event-SSM for one sample (SiLIF paper, appendix A.6).

    The first block sees every event, and projects channels to states and back: 2 H P each. The second one sees one
    event of ``stride``: two dense projections, 2 H², and three such systems. The third block's are left out.

    The paper's 98.3M are those of 64 states and 64 channels. Its 288.8M for SHD, "128 states", are those of 128 states
    and 96 channels; 128 of both would be 393.2M.

    Args:
        states: P.
        channels: H.
        events: Of a sample; 8000 is the mean of SSC.
        stride: How many events are pooled into one after the first block.

    Raises:
        ValueError: If an argument is not positive.

    Examples:
        >>> event_ssm_operations(64, 64), event_ssm_operations(128, 96), event_ssm_operations(128, 128)
        (98304000, 288768000, 393216000)
    """
    for name, value in {"states": states, "channels": channels, "events": events, "stride": stride}.items():
        if value < 1:
            raise ValueError(f"{name}: got {value}; it must be positive")
    system = 2 * channels * states
    return events * system + events // stride * (2 * channels**2 + 3 * system)


def s5_rf_operations(steps: int = 250, per_step: int = S5_RF_PER_STEP) -> int:
    """Return the operations of S5-RF for one sample: those of a step, which its authors state, times the steps.

    Args:
        steps: Time steps of a sample; the paper takes 250.
        per_step: Operations in each.

    Raises:
        ValueError: If an argument is not positive.

    Examples:
        >>> s5_rf_operations()
        5437750
    """
    if steps < 1 or per_step < 1:
        raise ValueError(f"steps, per_step: got {steps} and {per_step}; both must be positive")
    return steps * per_step
