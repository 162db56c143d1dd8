"""What every room stands on: targets, errors, output, processes, files."""
