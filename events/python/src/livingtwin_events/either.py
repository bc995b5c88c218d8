"""Methods that work on the class as well as on an instance."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class either(Generic[P, R]):
    """A method that is called on an instance, or on the class, where an instance is made without arguments."""

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __get__(self, instance: object | None, owner: type) -> Callable[P, R]:
        """The function, bound to the instance or to a new one."""
        bound: Callable[P, R] = MethodType(self.function, owner() if instance is None else instance)
        return bound
