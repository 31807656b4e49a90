"""Every wrong setting at once: `name: value, allowed range, fix`.

ranges = Ranges()
ranges.number("burst", burst, 1, 1000, "write how many calls may come at once", whole=True)
ranges.demand(burst <= rate, "burst", burst, "at most rate", "lower it")
ranges.settle()  # raises ConfigError if anything was out of range

class Fields(NamedTuple): ...
class Settings(Checked, Fields):  # frozen, and checked whenever one is made, copies included
    def check(self, ranges): ...
"""

from __future__ import annotations

from guardrails.errors import ConfigError, nearest

TYPE_CHECKING = False


class Ranges:
    """Collects what is wrong with a set of settings."""

    __slots__ = ("problems",)

    def __init__(self) -> None:
        self.problems: list[str] = []

    def number(
        self, name: str, value: object, low: float, high: float, fix: str, *, whole: bool = False, none: str = ""
    ) -> bool:
        """Whether `value` is a number from low to high; `whole`: an int; `none`: what None means, if it is allowed."""
        if value is None and none:
            return True
        kinds = int if whole else (int, float)
        # A bool is an int to Python, and a slip of the pen to us; NaN lies in no range.
        good = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
        kind = "a whole number" if whole else "a number"
        return self.demand(
            good, name, value, f"{kind} from {low:g} to {high:g}" + (f", or None: {none}" if none else ""), fix
        )

    def demand(self, good: bool, name: str, value: object, allowed: str, fix: str) -> bool:  # noqa: FBT001 - a verdict
        """Note a problem unless it is good. Returns `good`."""
        if not good:
            self.problems.append(f"{name}: {value!r}, allowed: {allowed}; {fix}")
        return good

    def settle(self) -> None:
        """Raise ConfigError, a ValueError, with every problem noted."""
        if self.problems:
            raise ConfigError(self.problems)


class Checked:
    """Mixed into a named tuple of settings: `check` sees each one that is made, also by `_replace` and unpickling."""

    __slots__ = ()

    # Hidden from type checkers, which take the signature, with its defaults, from the named tuple.
    if not TYPE_CHECKING:

        def __new__(cls, *args, **kwargs):
            unknown = kwargs.keys() - set(cls._fields)
            if unknown:
                raise _no_setting(cls, min(unknown))
            self = super().__new__(cls, *args, **kwargs)
            ranges = Ranges()
            self.check(ranges)
            ranges.settle()
            return self

        @classmethod
        def _make(cls, iterable):
            return cls(*iterable)

    def check(self, ranges: Ranges) -> None:
        """Tell `ranges` of every setting and what it may be."""
        raise NotImplementedError


def _no_setting(kind: type, name: str) -> TypeError:
    """By the name that a user knows, which is not that of the named tuple behind it."""
    fields: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    near = nearest(name, fields)
    step = f"did you mean {near!r}?" if near else f"there are: {', '.join(fields)}"
    return TypeError(f"{kind.__name__} has no setting {name!r}; {step}")
