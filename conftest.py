"""Documents are tests, too; how their examples are run stands in tests/documents.py."""

from tests.documents import pytest_collect_file, pytest_xdist_make_scheduler

__all__ = ["pytest_collect_file", "pytest_xdist_make_scheduler"]
