"""`vidstyle bench`: engines and the whole loop, measured against the way most programs do it."""
