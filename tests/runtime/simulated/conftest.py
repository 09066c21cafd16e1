"""No example has a deadline: how long one takes says more about the machine than about the fleet."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None, max_examples=80)
settings.load_profile("untimed")
