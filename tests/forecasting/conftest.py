"""How hypothesis runs here: a loaded machine is no failure, so examples have no deadline."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None, max_examples=80)
settings.load_profile("untimed")
