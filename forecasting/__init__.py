"""What will happen, and how sure we are: quantiles of the offered load that may come."""
