"""`make picture`: docs/demo.svg, drawn from what `make demo` prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 112
# Colours that read on light and dark pages; the eight of a terminal and their bright forms.
THEME = TerminalTheme(
    (24, 26, 31),
    (220, 223, 228),
    [(40, 44, 52), (240, 113, 120), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194), (220, 223, 228)],
)  # fmt: skip
# rich's own frame asks a web host for its font; a picture in a repository must not.
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{aria}">
<style>{styles} .{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px; }}</style>
<rect width="100%" height="100%" rx="8" fill="#181a1f"/>
<defs>{lines}</defs>
<g transform="translate(12, 12)" clip-path="url(#{unique_id}-clip-terminal)"><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g>
</svg>
"""


def main() -> None:
    """Run the demo with colours and write the picture."""
    done = subprocess.run(
        [sys.executable, "examples/demo.py"],
        cwd=HERE.parent,
        env={**os.environ, "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    console = Console(width=WIDTH, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(Text("$ make demo", style="dim"))
    console.print(Text.from_ansi(done.stdout))
    svg = console.export_svg(
        theme=THEME, code_format=FRAME.replace("{aria}", "What make demo prints"), unique_id="demo"
    )
    (HERE / "demo.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
