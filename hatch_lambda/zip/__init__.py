"""From bundle to zip: which files, checked, written and summed up."""
