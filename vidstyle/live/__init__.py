"""The live loop: camera, network and outputs joined by depth-one mailboxes; the newest frame wins at every stage.

OpenCV is imported here, before anything imports PyAV: on Linux both bring their own libxcb, and a window
opened with PyAV's hangs (PyAV issue 1050, opencv issue 29195).
"""

import cv2 as _cv2  # noqa: F401
