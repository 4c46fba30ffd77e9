"""Published operations of systems that are not trained here, by their formulas."""

import pytest

from silif_plugins.paper import event_ssm_operations, s5_rf_operations


def test_published_operations():
    """Appendix A.6, term by term: 65.536M in the first block, 32.768M in the second."""
    first, second = 8000 * 2 * 64 * 64, 1000 * (2 * 64 * 64 + 3 * 2 * 64 * 64)
    assert (first, second) == (65_536_000, 32_768_000)
    assert event_ssm_operations(64, 64) == first + second
    assert event_ssm_operations(64, 64) / 1e6 == pytest.approx(98.3, abs=0.05)
    assert event_ssm_operations(128, 96) / 1e6 == pytest.approx(288.8, abs=0.05)
    assert s5_rf_operations() == 250 * 21_751


def test_what_is_refused():
    with pytest.raises(ValueError, match="channels: got 0"):
        event_ssm_operations(64, 0)
    with pytest.raises(ValueError, match="steps, per_step: got 0"):
        s5_rf_operations(0)
