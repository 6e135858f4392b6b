"""Devices as pages: the list, one device, enrolment kits."""

from litestar.types import ControllerRouterHandler

from sekisho.devices.web import device, files, kits, listing

HANDLERS: list[ControllerRouterHandler] = [
    *listing.HANDLERS, *kits.HANDLERS, *files.HANDLERS, *device.HANDLERS,
]  # fmt: skip
