"""Logs as they lie on disks: found, unpacked, told apart and read, bounded at every step."""
