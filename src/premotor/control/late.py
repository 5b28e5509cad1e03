"""A line that takes its time: what goes in comes out so many steps later."""

from collections import deque
from typing import Generic, TypeVar

__all__ = ["Late"]

_T = TypeVar("_T")


class Late(Generic[_T]):
    """steps: how much later, 0 or more. first: what comes out until something has come through."""

    def __init__(self, steps: int, first: _T) -> None:
        self._line = deque([first] * steps)

    def __call__(self, given: _T) -> _T:
        """Put one in and take one out."""
        self._line.append(given)
        return self._line.popleft()
