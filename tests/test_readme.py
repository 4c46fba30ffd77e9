"""The README's Python blocks run, one after the other, as a reader would type them."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_python_blocks_run():
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
