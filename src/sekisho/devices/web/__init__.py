"""Devices as pages: the list, one device, enrolment kits."""

from litestar.types import ControllerRouterHandler

from sekisho.devices.web import device, kits, listing

HANDLERS: list[ControllerRouterHandler] = [
    *listing.HANDLERS, *kits.HANDLERS, *device.HANDLERS,
]  # fmt: skip
