"""What a change of policy would have come to on the recorded past."""
