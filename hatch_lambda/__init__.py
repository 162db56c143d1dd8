"""Hatch plugin: zips that run on AWS Lambda."""
