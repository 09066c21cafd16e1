"""The experts, one test file each."""
