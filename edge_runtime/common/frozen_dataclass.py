"""Frozen dataclasses that are fast to define.

`dataclasses.dataclass(frozen=True)` generates and compiles source code for each class: half a millisecond on a PC, several on a Raspberry
Pi, and `digits classify` imports thirty classes. Here all classes share methods that are compiled once. `dataclasses.fields`, `replace`
and `asdict` accept them.
"""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen_dataclass(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass, as `dataclass(frozen=True)` does.

    Its fields, in order, are the arguments of the class. Instances are equal if they have one class and equal fields (of arrays: equal
    shapes and values), are hashable if all fields are, and cannot be changed.
    """
    dataclasses.dataclass(init=False, repr=False, eq=False)(kind)
    for name in ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"):
        setattr(kind, name, vars(_Record)[name])
    return kind


class _Record:
    """The methods that all frozen dataclasses share."""

    __dataclass_fields__: dict[str, "dataclasses.Field[Any]"]
    __match_args__: tuple[str, ...]

    def __init__(self, /, *values: Any, **named: Any) -> None:
        names = self.__match_args__
        given = dict(zip(names, values, strict=False))
        if len(values) > len(names) or given.keys() & named.keys() or named.keys() - set(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}, each once")
        given.update(named)
        if len(given) < len(names):
            given.update((name, _default(self, name)) for name in names if name not in given)
        self.__dict__.update(given)
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def __repr__(self) -> str:
        shown = (name for name, field in self.__dataclass_fields__.items() if field.repr)
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(map(_are_equal, _values(self), _values(other)))

    def __hash__(self) -> int:
        return hash(_values(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _default(instance: _Record, name: str) -> Any:
    field = instance.__dataclass_fields__[name]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        raise TypeError(f"{type(instance).__name__} lacks {name!r}")
    return field.default


def _values(instance: Any) -> tuple[Any, ...]:
    return tuple(getattr(instance, name) for name in instance.__match_args__)


def _are_equal(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if getattr(one, "shape", ()) != getattr(other, "shape", ()):
        return False
    found = one == other
    return bool(found.all() if hasattr(found, "all") else found)
