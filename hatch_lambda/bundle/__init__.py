"""Stage 8: which files the wheels bring to a bundle, and the folder that they are laid out in."""
