"""`python -m guardrails`: the command, also where another distribution owns the script's name."""

from guardrails.cli import main

main()
