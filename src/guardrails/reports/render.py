"""Facts through a template: Markdown or one HTML file, in the language of the labels, and nothing but facts.

Every value that a template prints is foreign text and comes out as text; a label is ours, and only what fills
its gaps is foreign. A template names no figure that is not in the JSON twin.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from guardrails.errors import GuardrailsError
from guardrails.mdtext import code, fence, inline, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGUAGES = ("en", "uk")
FORMS = ("markdown", "json", "html")
_HERE = Path(__file__).parent
_SPARKS = "▁▂▃▄▅▆▇█"


def render(facts: Mapping[str, Any], form: str, language: str = "en") -> str:
    """The facts in one of FORMS; ends with a line break. Raises GuardrailsError for a language there is not."""
    if form == "json":
        import json

        return json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    suffix = {"markdown": "md", "html": "html"}[form]
    template = _environment(suffix, language).get_template(f"{facts['kind']}.{suffix}.j2")
    return str(template.render(facts)).strip("\n") + "\n"


def label_text(name: str, said: Mapping[str, Any], language: str = "en") -> str:
    """One label with its gaps filled, as plain text for a terminal."""
    return str(_labels(language)["text"][name]).replace("`", "").format(**said)


class Safe(str):
    """Text that is Markdown already."""

    __slots__ = ()


class _Markdown:
    def ours(self, text: str) -> str:
        return Safe(text)

    def foreign(self, value: object) -> str:
        return value if isinstance(value, Safe) else Safe(value if type(value) is float else inline(str(value)))

    def span(self, value: object) -> str:
        return Safe(code(str(value)))

    def block(self, value: object, language: str) -> str:
        return Safe(fence(str(value), language))

    def join(self, parts: Iterable[str]) -> str:
        return Safe("".join(parts))


class _Html:
    def ours(self, text: str) -> str:
        from markupsafe import escape

        return escape(text)

    def foreign(self, value: object) -> str:
        from markupsafe import Markup, escape

        return value if isinstance(value, Markup) else escape(visible(str(value)))

    def span(self, value: object) -> str:
        from markupsafe import Markup

        return Markup("<code>{}</code>").format(visible(str(value)))

    def block(self, value: object, _language: str) -> str:
        from markupsafe import Markup

        lines = "\n".join("\t".join(map(visible, line.split("\t"))) for line in str(value).split("\n"))
        return Markup("<pre>{}</pre>").format(lines)

    def join(self, parts: Iterable[str]) -> str:
        from markupsafe import Markup

        return Markup("").join(parts)


def _labels(language: str) -> dict[str, Any]:
    import tomllib

    if language not in LANGUAGES:
        raise GuardrailsError(f"no labels in {language!r}: there are {', '.join(LANGUAGES)}")
    return tomllib.loads((_HERE / "locale" / f"{language}.toml").read_text("utf-8"))


def _compiled() -> Any:
    """Templates are compiled once and kept beside them, as Python keeps its modules; where it may not, each time."""
    from contextlib import suppress

    from jinja2 import FileSystemBytecodeCache

    class Compiled(FileSystemBytecodeCache):
        def load_bytecode(self, bucket: Any) -> None:
            with suppress(OSError):
                super().load_bytecode(bucket)

        def dump_bytecode(self, bucket: Any) -> None:
            with suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)

    return None if sys.dont_write_bytecode else Compiled(str(_HERE / "templates" / "__pycache__"), "%s.jinja2")


@cache
def _environment(suffix: str, language: str) -> Any:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    from guardrails.reports import charts

    writer = _Html() if suffix == "html" else _Markdown()
    labels = _labels(language)
    texts, separator = labels["text"], labels["thousands"]

    def number(value: int) -> str:
        return writer.ours(f"{value:,}".replace(",", separator))

    def label(name: str, /, **said: object) -> str:
        shown = {key: number(value) if type(value) is int else value for key, value in said.items()}
        parts = []
        for place, part in enumerate(texts[name].split("`")):
            if place % 2:
                parts.append(writer.span(part.format(**shown)))
                continue
            for literal, gap, _, _ in Formatter().parse(part):
                parts.append(writer.ours(literal))
                if gap is not None:
                    parts.append(writer.foreign(shown[gap]))
        return writer.join(parts)

    def changed(commit: Mapping[str, Any]) -> str:
        if commit["merge"]:
            return label("merge")
        if commit["added"] is None:
            return label("unknown")
        return label("plus_minus", added=commit["added"], deleted=commit["deleted"])

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(_HERE / "templates"),
        bytecode_cache=_compiled(),
        autoescape=suffix == "html",
        finalize=writer.foreign,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "t": label,
        "changed": changed,
        "n": number,
        "code": writer.span,
        "fence": writer.block,
        "spark": lambda values: writer.ours(spark(values)),
        "day": lambda stamp: stamp[:10],
        "minute": _minute,
        "charts": charts,
        "lang": labels["language"],
    }
    return environment


def spark(values: list[int]) -> str:
    """A line of columns, the highest of which stands for the largest value; only zero is the lowest."""
    most = max(values, default=0) or 1
    return "".join(_SPARKS[-(-value * (len(_SPARKS) - 1) // most)] for value in values)


def _minute(stamp: str) -> str:
    """`2026-01-31T12:30:00Z` as `2026-01-31 12:30 UTC`; anything else as it is."""
    return f"{stamp[:10]} {stamp[11:16]} UTC" if len(stamp) == len("2026-01-31T12:30:00Z") else stamp
