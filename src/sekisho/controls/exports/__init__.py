"""Exports of device managers: read, mapped, matched to devices. Pure; nothing here is stored."""
