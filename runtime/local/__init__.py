"""Real engines on one machine: every replica a process of its own, moved between tiers, watched and replaced."""
