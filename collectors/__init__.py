"""What is happening: observations of engines and GPUs, and the history of them."""
