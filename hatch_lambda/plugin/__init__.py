"""Hatch on one side, our values on the other: the only code that imports hatchling."""
