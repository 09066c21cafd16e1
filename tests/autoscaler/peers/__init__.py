"""Peers held to their upstream's own numbers, and the bounds that nobody beats."""
