"""Stages 1 to 7: from requirements to a wheel for each distribution of the closure."""
