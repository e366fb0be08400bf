"""How the chat page looks: the colours of the vicuña and of the earth it lives on, in the system's own fonts."""

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).parent / "assets"

# Lightest to darkest. Reds and browns of the fleece; the neutral is warm, so that the page never looks blue.
_CLAY = (
    "#fbf3ec",
    "#f6e4d5",
    "#ecc9ae",
    "#dfa881",
    "#cf865a",
    "#b9683c",
    "#9c532e",
    "#7d4226",
    "#5f3420",
    "#46281b",
    "#2b170f",
)
_WOOL = (
    "#fdfbf7",
    "#f7f3ec",
    "#ebe4d9",
    "#d8cfc1",
    "#b0a595",
    "#83786a",
    "#655b50",
    "#4a433b",
    "#302b26",
    "#221e1b",
    "#181512",
)


def theme() -> gr.themes.Base:
    """The theme for `Blocks.launch(theme=...)`. It loads no font: only names of fonts that systems have."""
    base = gr.themes.Base(
        primary_hue=gr.themes.Color(*_CLAY),
        secondary_hue=gr.themes.Color(*_CLAY),
        neutral_hue=gr.themes.Color(*_WOOL),
        radius_size=gr.themes.sizes.radius_lg,
        font=[gr.themes.Font(name) for name in ("system-ui", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")],
        font_mono=[
            gr.themes.Font(name) for name in ("ui-monospace", "SF Mono", "Consolas", "DejaVu Sans Mono", "monospace")
        ],
    )
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="#2b2622",
        body_text_color_dark="#ece5da",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        background_fill_primary="*neutral_50",
        background_fill_primary_dark="*neutral_950",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_900",
        border_color_primary="*neutral_200",
        border_color_primary_dark="*neutral_800",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_title_text_weight="600",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover_dark="*neutral_800",
        code_background_fill="*neutral_100",
        code_background_fill_dark="*neutral_900",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
    )
