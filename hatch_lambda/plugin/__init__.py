"""The adapters to Hatch: a build hook, a build target and a publisher, all named `lambda`. Nothing else imports it."""

HOOK = TARGET = "lambda"
