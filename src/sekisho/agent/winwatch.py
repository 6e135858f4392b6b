"""Registry notifications on Windows, as signs for the watcher.

Source: ``RegNotifyChangeKeyValue`` (advapi32) with an event handle, asynchronous: the system sets
the event when anything below the key changes; after each change it has to be asked for again.
"""

import ctypes
import sys
from dataclasses import dataclass, field

_HKEY_LOCAL_MACHINE = 0x80000002
_KEY_NOTIFY = 0x0010
_WOW64_64KEY = 0x0100
_NAME_AND_VALUE = 0x1 | 0x4
_SIGNALLED = 0


@dataclass(slots=True)
class RegistryNotice:
    """A watched key below HKEY_LOCAL_MACHINE; the sign counts its changes."""

    key: str
    _handle: object = None
    _event: object = None
    _changes: int = field(default=0)

    def read_sign(self) -> object:
        """Return how often the key changed since the first call; raises ``OSError``."""
        if sys.platform == "win32":
            if self._handle is None:
                self._open()
                self._ask()
            elif ctypes.WinDLL("kernel32").WaitForSingleObject(self._event, 0) == _SIGNALLED:
                self._changes += 1
                self._ask()
            return self._changes
        raise OSError("registry notifications exist on Windows only")

    def _open(self) -> None:
        if sys.platform == "win32":
            handle = ctypes.c_void_p()
            root = ctypes.c_void_p(_HKEY_LOCAL_MACHINE)
            access = _KEY_NOTIFY | _WOW64_64KEY
            failed = ctypes.WinDLL("advapi32").RegOpenKeyExW(
                root, self.key, 0, access, ctypes.byref(handle)
            )
            if failed:
                raise OSError(failed, f"the registry key {self.key} cannot be watched")
            self._handle = handle
            create_event = ctypes.WinDLL("kernel32").CreateEventW
            create_event.restype = ctypes.c_void_p
            self._event = ctypes.c_void_p(create_event(None, False, False, None))

    def _ask(self) -> None:
        if sys.platform == "win32":
            failed = ctypes.WinDLL("advapi32").RegNotifyChangeKeyValue(
                self._handle, True, _NAME_AND_VALUE, self._event, True
            )
            if failed:
                raise OSError(failed, f"the registry key {self.key} cannot be watched")
