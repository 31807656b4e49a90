"""Objects with fields: dataclasses, attrs, pydantic, msgspec, SQLAlchemy; and objects nobody described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.kinds import Lost, Pairs, must_pass, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardrails.jsonsafe.kinds import Context, Rule

# Attributes that are shown of an object nobody described.
MOST_ATTRIBUTES = 50
_ABSENT = object()


def read(value: object, name: str) -> object:
    """An attribute: `_ABSENT` where there is none, a marker where reading it fails."""
    try:
        return getattr(value, name)
    except AttributeError:
        return _ABSENT
    except BaseException as exc:
        if must_pass(exc):
            raise
        return Lost("raised", value, **{"$error": type_name(type(exc))})


def fields(value: object, names: Iterable[str]) -> Pairs:
    found = ((name, read(value, name)) for name in names)
    return Pairs([(name, field) for name, field in found if field is not _ABSENT])


def _dataclass(value: Any, _: Context) -> object:
    # The list that `dataclasses.fields` reads, without ClassVar and InitVar.
    declared = type(value).__dataclass_fields__
    return fields(value, [name for name, field in declared.items() if field._field_type.name == "_FIELD"])


def _attrs(value: Any, _: Context) -> object:
    return fields(value, [field.name for field in type(value).__attrs_attrs__])


def _struct(value: Any, _: Context) -> object:
    kind = type(value)
    found = fields(value, kind.__struct_fields__)
    written = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    pairs = [(written[name], field) for name, field in found.pairs if type(field).__name__ != "UnsetType"]
    tag = kind.__struct_config__.tag
    if tag is not None:
        pairs.insert(0, (kind.__struct_config__.tag_field, tag))
    return Pairs(pairs)


def _pydantic(value: Any, _: Context) -> object:
    kind = type(value)
    if getattr(kind, "__pydantic_root_model__", False):
        return value.root
    decorators = kind.__pydantic_decorators__
    if decorators.field_serializers or decorators.model_serializers:
        # The author says how it is to be written; to go past that might show what it hides.
        return _dumped(value)
    stored = dict(value.__dict__)
    pairs = [
        (name, stored[name]) for name, field in kind.__pydantic_fields__.items() if name in stored and not field.exclude
    ]
    pairs += list((value.__pydantic_extra__ or {}).items())
    return Pairs(pairs + fields(value, decorators.computed_fields).pairs)


def _dumped(value: Any) -> object:
    """What the author's serializers make of a model. pydantic wraps what they raise."""
    try:
        return value.model_dump(warnings=False)
    except Exception as exc:
        if exc.__cause__ is not None:
            raise exc.__cause__ from None
        raise


def _pydantic_v1(value: Any, _: Context) -> object:
    stored = dict(value.__dict__)
    declared = type(value).__fields__
    return Pairs(
        [
            (name, content)
            for name, content in stored.items()
            if name not in declared or not declared[name].field_info.exclude
        ]
    )


def _mapped(value: Any, _: Context) -> object:
    """A SQLAlchemy model: the columns that are loaded. Asking for another would go to the database."""
    state = value.__dict__["_sa_instance_state"]
    stored = dict(value.__dict__)
    names = [attribute.key for attribute in state.mapper.column_attrs]
    absent = [name for name in names if name not in stored]
    pairs: list[tuple[str, object]] = [(name, stored[name]) for name in names if name in stored]
    if absent:
        pairs.append(("$unloaded", absent))
    return Pairs(pairs, missing=len(absent))


# In this order: a mapped class may also be a dataclass or a pydantic model.
DESCRIBED: dict[str, Rule] = {
    "_sa_class_manager": _mapped,
    "__pydantic_fields__": _pydantic,
    "__dataclass_fields__": _dataclass,
    "__attrs_attrs__": _attrs,
    "__struct_fields__": _struct,
    "__fields_set__": _pydantic_v1,
}


def unknown(value: object, _: Context) -> object:
    """What an object nobody described holds under public names; reading it runs no property."""
    state = _state(value)
    names = [name for name in state if type(name) is str and not name.startswith("_")]
    if not names:
        return Lost("opaque")
    shown = names[:MOST_ATTRIBUTES]
    pairs: list[tuple[str, object]] = [("$type", type_name(type(value))), *((name, state[name]) for name in shown)]
    return Pairs(pairs, missing=len(state) - len(shown), looked=True)


def _state(value: object) -> dict[Any, object]:
    state: dict[Any, object] = {}
    for base in reversed(type.__getattribute__(type(value), "__mro__")):
        own = type.__getattribute__(base, "__dict__")
        slots = own.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            slot = own.get(name)
            # Slots only, which are read in C; a property of the same name would run code.
            if type(slot).__name__ == "member_descriptor":
                try:
                    state[name] = slot.__get__(value)
                except AttributeError:
                    continue
    try:
        instance = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return state
    return state | dict(instance) if type(instance) is dict else state
