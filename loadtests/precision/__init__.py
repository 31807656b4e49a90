"""The gate over released packages: its error-level findings, each judged by reading the code."""
