"""Devices: enrolment over osquery's TLS remote API, ownership, privacy and the inventory."""
