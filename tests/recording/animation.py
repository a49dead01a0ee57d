"""Animated SVG of a terminal's screens. Without animation it shows the last screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from tests.recording.screens import COLUMNS, Line, Run, Screen

WIDTH: Final = 8.4
"""Width of a character, in pixels."""
HEIGHT: Final = 18
"""Height of a line, in pixels."""
MARGIN: Final = 16
LAST_S: Final = 6.0
"""Duration of the last screen, in seconds."""
COLOURS: Final = {
    "default": "#d0d6e0",
    "red": "#f2777a",
    "green": "#7bc275",
    "brown": "#e5c07b",
    "blue": "#6ab0f3",
    "magenta": "#c792ea",
    "cyan": "#5ccfe6",
    "brightblack": "#8b95a5",
}
"""Colours of the terminal, by pyte's names; `brown` is yellow."""
BACKGROUND: Final = "#1b1f27"


def svg(screens: Sequence[Screen], title: str) -> str:
    """The animation, which repeats. `title`: what it shows, for people who do not see it."""
    width, height = round(COLUMNS * WIDTH + 2 * MARGIN), _rows(screens) * HEIGHT + 2 * MARGIN
    numbers = {line: number for number, line in enumerate(_distinct(screens))}
    ends_s = screens[-1].at_s + LAST_S
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
            f" aria-label={quoteattr(title)}>",
            f"<title>{escape(title)}</title>",
            f"<style>{_style(screens, ends_s)}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>',
            "<defs>",
            *(f'<g id="l{number}">{"".join(map(_text, line))}</g>' for line, number in numbers.items()),
            "</defs>",
            *(_screen(number, screen, numbers) for number, screen in enumerate(screens)),
            "</svg>\n",
        ]
    )


def _rows(screens: Sequence[Screen]) -> int:
    """Number of lines that any screen uses."""
    return max(row for screen in screens for row, line in enumerate(screen.lines, 1) if line)


def _distinct(screens: Sequence[Screen]) -> dict[Line, None]:
    return dict.fromkeys(line for screen in screens for line in screen.lines if line)


def _style(screens: Sequence[Screen], ends_s: float) -> str:
    common = (
        f"text{{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;white-space:pre}}"
        f".s{{visibility:hidden;animation:{ends_s:.1f}s step-end infinite}}"
        f".s:last-of-type{{visibility:visible}}"
        # A person who asks for less motion sees the last screen.
        "@media(prefers-reduced-motion){.s{animation:none!important}}"
    )
    return common + "".join(_steps(screens, ends_s))


def _steps(screens: Sequence[Screen], ends_s: float) -> Iterator[str]:
    """The part of the animation in which each screen is visible."""
    starts = [screen.at_s / ends_s * 100 for screen in screens]
    starts[0] = 0.0
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], 100.0], strict=True)):
        hidden = "0%{visibility:hidden}" if start else ""
        after = f"{end:.2f}%{{visibility:hidden}}" if end < 100 else ""
        yield (
            f"#s{number}{{animation-name:a{number}}}"
            f"@keyframes a{number}{{{hidden}{start:.2f}%{{visibility:visible}}{after}}}"
        )


def _screen(number: int, screen: Screen, numbers: dict[Line, int]) -> str:
    used = "".join(
        f'<use href="#l{numbers[line]}" y="{MARGIN + row * HEIGHT}"/>'
        for row, line in enumerate(screen.lines)
        if line
    )
    return f'<g class="s" id="s{number}">{used}</g>'


def _text(run: Run) -> str:
    colour = COLOURS.get(run.colour, COLOURS["default"])
    weight = ' font-weight="bold"' if run.is_bold else ""
    return (
        f'<text x="{MARGIN + run.column * WIDTH:.1f}" y="{HEIGHT - 4}" fill="{colour}"{weight}'
        f' textLength="{len(run.text) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs">{escape(run.text)}</text>'
    )
