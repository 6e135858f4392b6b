"""Devices as pages: the list, one device, enrolment kits."""
