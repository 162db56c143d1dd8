"""From a zip to the function or layer on AWS: `hatch publish -p lambda` and `hatch-lambda deploy`.

`settings` and `project` say what goes where, `zips` which zips there are, `plan` brings the three together; nothing of
these asks AWS. `run` carries a plan out; it and what it imports need the extra `aws` (boto3).
"""
