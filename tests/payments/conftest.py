"""Fixtures of these tests."""

from tests.books import town
from tests.street import street

__all__ = ["street", "town"]
