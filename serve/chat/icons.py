"""The few icons of the page: strokes on a grid of 24, in the colour of the text beside them."""

_STROKES = {
    "copy": "M9 9h11v11H9zM5 15H4V4h11v1",
    "edit": "M4 20l1-4L16.5 4.5l3 3L8 19zM14.5 6.5l3 3",
    "delete": "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
    "regenerate": "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
    "undo": "M9 6L4 11l5 5M4 11h10a6 6 0 0 1 0 12",
    "continue": "M5 5l7 7-7 7M13 5l7 7-7 7",
    "good": "M7 11v9H4v-9zM7 11l4-8c2 0 3 1 2.5 3.500L13 9h6c1 0 2 1 1.700 2.200l-1.700 7c-.2 1-1 1.800-2 1.800H7",
    "bad": "M7 13V4H4v9zM7 13l4 8c2 0 3-1 2.500-3.500L13 15h6c1 0 2-1 1.700-2.200l-1.700-7C18.800 4.800 18 4 17 4H7",
    "inspect": "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L21 21",
    "earlier": "M15 5l-7 7 7 7",
    "later": "M9 5l7 7-7 7",
    "pin": "M9 4h6l-1 6 4 4H6l4-4zM12 14v7",
}


def icon(name: str) -> str:
    """An icon as inline SVG, hidden from screen readers: the control that it stands in has a name."""
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{_STROKES[name]}"/></svg>'


def icon_button(name: str, label: str, **data: str) -> str:
    """A button that shows an icon. `label` and the values must be escaped."""
    attributes = "".join(f' data-{key}="{value}"' for key, value in data.items())
    return f'<button type="button" class="icon" aria-label="{label}" title="{label}"{attributes}>{icon(name)}</button>'
