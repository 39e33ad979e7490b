"""Themes as data: one TOML file each, read at the start."""

from functools import cache
from pathlib import Path

import msgspec
from textual.theme import Theme

from tui.choices import THEMES

__all__ = ["THEMES", "load"]


_FOLDER = Path(__file__).parent


class Palette(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The colours of one theme; `up` and `down` are blue and orange, told apart by most eyes."""

    dark: bool
    ansi: bool = False
    """Only the terminal's own sixteen colours: half the bytes."""
    background: str
    foreground: str
    panel: str
    accent: str
    warning: str
    error: str
    up: str
    down: str
    dim: str
    cursor: str
    cursor_text: str


@cache
def load(name: str) -> Theme:
    """Return the theme `name`, one of `THEMES`; a wrong file raises `msgspec.ValidationError`."""
    palette = msgspec.toml.decode((_FOLDER / f"{name}.toml").read_bytes(), type=Palette)
    return Theme(
        name=f"canopy-{name}",
        primary=palette.accent,
        secondary=palette.accent,
        accent=palette.accent,
        warning=palette.warning,
        error=palette.error,
        success=palette.up,
        foreground=palette.foreground,
        background=palette.background,
        surface=palette.background,
        panel=palette.panel,
        boost=palette.panel,
        dark=palette.dark,
        ansi=palette.ansi,
        variables=variables(palette),
    )


def variables(palette: Palette) -> dict[str, str]:
    """Return what our styles call by name beyond Textual's own names."""
    # Textual's own styles name these in an ANSI theme.
    ansi = {"ansi-background": "ansi_black", "ansi-foreground": "ansi_white"}
    return (ansi if palette.ansi else {}) | {
        "up": palette.up,
        "down": palette.down,
        "dim": palette.dim,
        "cursor": palette.cursor,
        "cursor-text": palette.cursor_text,
        "input-cursor-background": palette.foreground,
        "input-cursor-foreground": palette.background,
    }
