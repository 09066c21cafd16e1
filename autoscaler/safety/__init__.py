"""What keeps a decision safe: floors, caps, sick GPUs, what does not come, and what an operator decided by hand."""
