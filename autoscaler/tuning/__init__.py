"""Self-tuning: knobs follow from replaying the recent past, at the price that keeps the promise."""
