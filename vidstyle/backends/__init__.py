"""Engines behind one protocol, and what they need to know of the machine."""

import sys

# OpenVINO reports every import to a statistics service on the internet, from a forked process. Without the package
# that does it, OpenVINO uses a stub of its own: nothing here tells anybody anything.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
