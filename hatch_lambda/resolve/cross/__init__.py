"""Building native code for the target with a cross compiler."""
