"""Findings, acts on many, saved views and spreadsheets as pages."""

from litestar.types import ControllerRouterHandler

from sekisho.worklists.web import acts, findings, sheets, views

HANDLERS: list[ControllerRouterHandler] = [
    *acts.HANDLERS, *findings.HANDLERS, *sheets.HANDLERS, *views.HANDLERS,
]  # fmt: skip
