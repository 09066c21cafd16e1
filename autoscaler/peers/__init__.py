"""The peers, faithfully: other autoscalers' rules, to be measured on the same traffic as ours.

Each file is one peer: its formulas as pure functions, held to its upstream's own test tables, and a ``Rule`` that
applies them to what a fleet shows.
"""
