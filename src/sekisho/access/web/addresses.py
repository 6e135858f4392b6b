"""Where a browser opens what is behind the gate."""

from sekisho.access.model import Door, Resource
from sekisho.kernel.settings import Settings

_HTTPS = 443


def open_url(resource: Resource, settings: Settings) -> str:
    """Return an app's or desktop's address at its door of the gate, without a path."""
    port = (settings.gate if resource.door is Door.DEVICE else settings.gate_browser).port
    return f"https://{resource.public_host}" + ("" if port == _HTTPS else f":{port}")
