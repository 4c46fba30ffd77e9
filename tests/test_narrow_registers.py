"""The kernels as processors without AVX-512 have them: vectors of 32 bytes, not 64.

Most computers have those, and those that run these tests may not: so the tests of the kernels run once more, in a
process for which numba compiles so.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the kernels need numba")

from silif_plugins.kernels.simd import FEATURES, REGISTER_BYTES

ROOT = Path(__file__).parents[1]

TESTS = {
    "scan": ["scan/test_cpu.py", "scan/test_recurrent.py", "scan/test_single.py", "kernels/test_spike_bits.py"],
    "more states": ["scan/test_systems.py", "scan/test_durations.py", "kernels/test_elementary.py"],
    "synapses": [
        "synapses/test_linear.py",
        "synapses/test_normalisation.py",
        "synapses/test_delayed_linear.py",
        "synapses/test_gaps.py",
        "synapses/test_whole_delays.py",
        "synapses/test_lag_products.py",
        "synapses/test_few_outputs.py",
        "synapses/test_channel_filter.py",
    ],
}


def narrow_features() -> str:
    """What numba compiles for here, without AVX-512 and what builds on it."""
    features = [each[1:] for each in FEATURES.split(",") if each.startswith("+")]
    return ",".join(f"{'-' if each.startswith(('avx512', 'avx10')) else '+'}{each}" for each in features)


@pytest.mark.slow
@pytest.mark.skipif(REGISTER_BYTES == 32, reason="this processor has no wider vectors than these")
@pytest.mark.parametrize("part", TESTS)
def test_with_narrow_registers(part: str):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": narrow_features(),
        "PYTHONPATH": str(ROOT),
    }
    said = subprocess.run(
        [sys.executable, "-c", "from silif_plugins.kernels.simd import REGISTER_BYTES; print(REGISTER_BYTES)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "32"
    files = [str(ROOT / "tests" / file) for file in TESTS[part]]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
