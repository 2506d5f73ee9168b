"""vidstyle: films and webcams, painted.

import vidstyle

vidstyle.render("in.mp4", "out.mp4", styles=["mosaic"])
"""

__version__ = "0.1.0"
