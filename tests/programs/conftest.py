"""What every test of programs begins with: the same as a unit test."""

from unit.conftest import usual_umask

__all__ = ["usual_umask"]
