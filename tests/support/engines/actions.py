"""Input as WebDriver and BiDi describe it: https://www.w3.org/TR/webdriver2/#actions."""

from typing import Any, Final

from tests.support.engines.port import Key

# https://www.w3.org/TR/webdriver2/#keyboard-actions
CODES: Final[dict[Key, str]] = {
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Tab": "\ue004",
    "PageUp": "\ue00e",
    "Home": "\ue011",
    "End": "\ue010",
}

Actions = list[dict[str, Any]]


def typing(text: str) -> Actions:
    keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
    return [{"type": "key", "id": "keyboard", "actions": keys}]


def clicking(x: float, y: float) -> Actions:
    steps = [
        {"type": "pointerMove", "x": round(x), "y": round(y), "origin": "viewport"},
        {"type": "pointerDown", "button": 0},
        {"type": "pointerUp", "button": 0},
    ]
    return [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}]


def wheeling(x: float, y: float, down_px: int) -> Actions:
    step = {"type": "scroll", "x": round(x), "y": round(y), "deltaX": 0, "deltaY": down_px, "origin": "viewport"}
    return [{"type": "wheel", "id": "wheel", "actions": [step]}]
