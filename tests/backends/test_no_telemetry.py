"""Nobody is told what is done here."""

from __future__ import annotations

import subprocess
import sys


def test_openvino_reports_nothing() -> None:
    code = (
        "import sys; from vidstyle.backends.registry import survey; list(survey())\n"
        "import openvino\n"
        "print([m for m in sys.modules if 'telemetry' in m and sys.modules[m] is not None])\n"
        "print(hasattr(openvino, 'convert_model'))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    loaded, converts = said.splitlines()
    assert "openvino_telemetry" not in loaded
    assert converts == "True", "OpenVINO itself is whole"
