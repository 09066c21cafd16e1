"""How hypothesis runs here."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine is no failure: examples have no deadline.
settings.register_profile("untimed", deadline=None, max_examples=80)
settings.load_profile("untimed")
