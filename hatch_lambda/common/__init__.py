"""Targets, errors, output, processes, files: what all other packages use."""
