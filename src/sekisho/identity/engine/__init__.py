"""Pure judgement about rights, limits, one-time codes and passkeys: no I/O and no clock."""
