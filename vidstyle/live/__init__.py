"""The live loop: camera, network and outputs joined by depth-one mailboxes; the newest frame wins at every stage."""
