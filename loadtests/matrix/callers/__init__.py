"""The callers, one module each, run by an interpreter that has what they need: `python -m loadtests.matrix.callers.…`.

Each reads jobs from standard input, a line of JSON each, and answers with what it was told. What they share,
`serving`, needs the standard library alone.
"""
