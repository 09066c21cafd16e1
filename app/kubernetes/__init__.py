"""A cluster's part of the wiring: its fleet, its policies as resources, and what doctor looks for there."""
