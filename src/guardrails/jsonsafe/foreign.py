"""Values of libraries that may or may not be installed, known by the names of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails.jsonsafe.kinds import Items, Lost, Pairs

if TYPE_CHECKING:
    from guardrails.jsonsafe.kinds import Context, Rule


def _number(value: Any, _: Context) -> object:
    """A numpy scalar. One that Python's own types cannot hold exactly is written as text."""
    if value.dtype.kind in "mM":
        text = str(value)
        return float("nan") if text == "NaT" else text
    plain = value.item()
    return str(value) if type(plain) is type(value) else plain


def _array(value: Any, context: Context) -> object:
    # Each element takes at least a digit and a comma.
    if value.size * 2 > context.terms.most_bytes:
        return Lost("size", **{"$shape": str(value.shape)})
    if value.dtype.kind not in "mM":
        return value.tolist()
    texts = value.astype(str).astype(object)
    texts[value != value] = float("nan")  # noqa: PLR0124 - NaT alone is not equal to itself
    return texts.tolist()


def _frame(value: Any, context: Context) -> object:
    if value.size * 2 > context.terms.most_bytes:
        return Lost("size", **{"$shape": str(value.shape)})
    # Column names may repeat and rows may have names: only this form keeps both.
    rows = [Items(list(row)) for row in value.itertuples(index=False, name=None)]
    return Pairs([("columns", value.columns), ("index", value.index), ("data", Items(rows))])


def _series(value: Any, context: Context) -> object:
    if value.size * 2 > context.terms.most_bytes:
        return Lost("size", **{"$shape": str(value.shape)})
    return Pairs([("name", value.name), ("index", value.index), ("data", value.tolist())])


def _listed(value: Any, context: Context) -> object:
    if value.size * 2 > context.terms.most_bytes:
        return Lost("size", **{"$shape": str(value.shape)})
    return Items(list(value.tolist()))


def _embedded(value: Any, _: Context) -> object:
    """JSON that is written already: read, so that what is not valid is not passed on."""
    from guardrails.jsonsafe.reader import parsed
    from guardrails.jsonsafe.writer import engine

    return parsed(engine.dumps(value) if type(value).__name__ == "Fragment" else bytes(value))


def _text(value: object, _: Context) -> str:
    return str(value)


def _address(value: Any, _: Context) -> str:
    """A database's address as one text, which `log` can search: as a tuple its password would stand alone."""
    text: str = value.render_as_string(hide_password=False)
    return text


def _row(value: Any, _: Context) -> object:
    return Pairs(list(zip(value._fields, tuple(value), strict=True)))


def _secret(_: object, __: Context) -> object:
    """A value whose class says that it must not be shown."""
    return Lost("secret")


def _nothing(_: object, __: Context) -> object:
    return float("nan")


FOREIGN: dict[str, Rule] = {
    "numpy:generic": _number,
    "numpy:ndarray": _array,
    "pandas:NaTType": _nothing,
    "pandas:NAType": _nothing,
    "pandas:Timestamp": lambda value, _: value.isoformat(),
    "pandas:Timedelta": lambda value, _: value.isoformat(),
    "pandas:Period": _text,
    "pandas:Interval": _text,
    "pandas:DataFrame": _frame,
    "pandas:Series": _series,
    "pandas:Index": _listed,
    "pandas:ExtensionArray": _listed,
    "orjson:Fragment": _embedded,
    "msgspec:Raw": _embedded,
    "pydantic:_SecretBase": _secret,
    "pydantic:SecretStr": _secret,
    "pydantic:SecretBytes": _secret,
    "pydantic:_BaseUrl": _text,
    "pydantic:_BaseMultiHostUrl": _text,
    "pydantic_core:Url": _text,
    "pydantic_core:MultiHostUrl": _text,
    "django:Promise": _text,
    "starlette:URL": _text,
    "yarl:URL": _text,
    "httpx:URL": _text,
    "sqlalchemy:Row": _row,
    "sqlalchemy:URL": _address,
}
