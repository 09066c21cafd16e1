"""What a pool's own past says of it: its step times, and how long a replica takes to come."""
