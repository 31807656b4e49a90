"""The lint of reports over documents of released packages: its errors, each judged by reading the text."""
