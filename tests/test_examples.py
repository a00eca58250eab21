"""What `examples/` shows works as it stands, from any folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# what a user reads when it has worked
SAID = {
    "dataframe.py": ("profit ", "everything is in runs"),
    "parameters.py": ("step shares", "0.006"),
    "qmt_script.py": ("cash 1000000.0", "600036.SH 100", "cancel "),
}


def test_every_example_is_tried():
    assert sorted(path.name for path in (ROOT / "examples").glob("*.py")) == sorted(SAID)


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs(name, tmp_path):
    example = [sys.executable, str(ROOT / "examples" / name)]
    run = subprocess.run(
        example,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert run.returncode == 0, run.stderr
    for words in SAID[name]:
        assert words in run.stdout
    assert "Traceback" not in run.stderr
