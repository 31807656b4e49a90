"""The `guardrails` command: thin click commands that parse, call, print and choose the exit status."""

from guardrails.cli.app import main

__all__ = ["main"]
