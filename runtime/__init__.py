"""Where replicas run, what state they are in, and how they are moved."""
