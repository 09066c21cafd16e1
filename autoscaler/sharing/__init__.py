"""GPUs that several services share: how many to hold for all of them, and who may have them when they are short."""
