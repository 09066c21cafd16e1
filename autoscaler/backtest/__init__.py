"""What each policy would have done: contenders on the same traffic, replicas, clock and bill.

One virtual fleet per contender, driven request by request by the engine kernel. Our own contender is the daemon's
controller itself; a peer is its rule, shown what its metrics pipeline would have shown it.
"""
