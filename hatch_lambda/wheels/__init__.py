"""Wheels one by one: read, checked, judged and kept."""
