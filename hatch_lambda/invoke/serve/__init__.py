"""Serve functions as Lambda does: by its API for SDKs, and by HTTP as function URLs are.

`server` reads HTTP requests and hands them to `lambda_api` or `function_url`, which invoke a `function`: the code that
it has at present (`deployment`), run by a few `warm_environment`s. `watching` says which files have changed.
"""
