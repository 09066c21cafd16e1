"""How many replicas, where, at which tier, at what cost, and why."""
