"""Reports about cost and capacity: what they say (``books``, ``build``), how they look, and how they are sent."""
