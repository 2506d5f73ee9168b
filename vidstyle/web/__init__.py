"""The studio: a page for people who do not like terminals, and the small server behind it (docs/studio.md)."""
