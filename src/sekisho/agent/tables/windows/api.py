"""Windows interfaces called through ctypes: security health, sessions, Wi-Fi, file versions.

Only :func:`security_health`, :func:`sessions`, :func:`wifi_connections` and :func:`version_block`
touch Windows; what they return is plain data, and the parsers of it live beside the tables.
"""

import ctypes
import sys
from collections.abc import Iterator

from sekisho.agent.table import Unreadable

_WLAN_CURRENT_CONNECTION = 7
_WLAN_CONNECTED = 1
_WTS_USER_NAME = 5
_WTS_DOMAIN = 7
_INTERFACE_INFO_SIZE = 532  # WLAN_INTERFACE_INFO: GUID, 256 wide characters, state
NOT_WINDOWS = "this computer does not run Windows"

if sys.platform == "win32":

    class _Session(ctypes.Structure):
        _fields_ = (
            ("id", ctypes.c_uint32),
            ("station", ctypes.c_wchar_p),
            ("state", ctypes.c_int),
        )

    def is_administrator() -> bool:
        """Tell whether this process has the administrator's rights."""
        return bool(ctypes.WinDLL("shell32.dll").IsUserAnAdmin())

    def security_health(provider: int) -> tuple[int, int]:
        """Return (HRESULT, health) of one provider from WscGetSecurityProviderHealth."""
        health = ctypes.c_int(-1)
        try:
            center = ctypes.WinDLL("wscapi.dll")
        except OSError as error:
            raise Unreadable(f"Windows has no Security Center here: {error}") from None
        code = center.WscGetSecurityProviderHealth(provider, ctypes.byref(health))
        return int(code), int(health.value)

    def sessions() -> list[tuple[int, int, str, str]]:
        """Return (id, state, station, user) of the terminal sessions (WTSEnumerateSessions)."""
        service = ctypes.WinDLL("wtsapi32.dll")
        found = ctypes.POINTER(_Session)()
        count = ctypes.c_uint32()
        if not service.WTSEnumerateSessionsW(None, 0, 1, ctypes.byref(found), ctypes.byref(count)):
            raise Unreadable(f"Windows did not list its sessions: {ctypes.WinError()}")
        try:
            return [
                (s.id, s.state, s.station or "", _session_text(service, s.id, _WTS_USER_NAME))
                for s in found[: count.value]
            ]
        finally:
            service.WTSFreeMemory(found)

    def _session_text(service: ctypes.WinDLL, session: int, what: int) -> str:
        text, size = ctypes.c_wchar_p(), ctypes.c_uint32()
        if not service.WTSQuerySessionInformationW(
            None, session, what, ctypes.byref(text), ctypes.byref(size)
        ):
            return ""
        try:
            return text.value or ""
        finally:
            service.WTSFreeMemory(text)

    def wifi_connections() -> Iterator[tuple[str, bytes]]:
        """Yield (interface GUID, WLAN_CONNECTION_ATTRIBUTES) of each connected interface."""
        try:
            wlan = ctypes.WinDLL("wlanapi.dll")
        except OSError:
            return  # a server without the Wi-Fi feature has no wireless interface
        handle, version = ctypes.c_void_p(), ctypes.c_uint32()
        code = wlan.WlanOpenHandle(2, None, ctypes.byref(version), ctypes.byref(handle))
        if code == 1062:  # noqa: PLR2004 - ERROR_SERVICE_NOT_ACTIVE: no wireless service, no Wi-Fi
            return
        if code:
            raise Unreadable(f"Windows' wireless service refused with error {code}")
        try:
            for guid in _connected(wlan, handle):
                yield guid.hex(), _connection(wlan, handle, guid)
        finally:
            wlan.WlanCloseHandle(handle, None)

    def _connected(wlan: ctypes.WinDLL, handle: ctypes.c_void_p) -> list[bytes]:
        listed = ctypes.c_void_p()
        code = wlan.WlanEnumInterfaces(handle, None, ctypes.byref(listed))
        if code or not listed.value:
            raise Unreadable(f"Windows did not list its wireless interfaces: error {code}")
        count = int.from_bytes(ctypes.string_at(listed.value, 4), "little")
        data = ctypes.string_at(listed.value + 8, count * _INTERFACE_INFO_SIZE)
        wlan.WlanFreeMemory(listed)
        infos = [data[i : i + _INTERFACE_INFO_SIZE] for i in range(0, len(data), 532)]
        return [i[:16] for i in infos if int.from_bytes(i[-4:], "little") == _WLAN_CONNECTED]

    def _connection(wlan: ctypes.WinDLL, handle: ctypes.c_void_p, guid: bytes) -> bytes:
        size, data = ctypes.c_uint32(), ctypes.c_void_p()
        code = wlan.WlanQueryInterface(
            handle,
            ctypes.c_char_p(guid),
            _WLAN_CURRENT_CONNECTION,
            None,
            ctypes.byref(size),
            ctypes.byref(data),
            None,
        )
        if code or not data.value:
            raise Unreadable(f"Windows did not describe the wireless connection: error {code}")
        found = ctypes.string_at(data.value, size.value)
        wlan.WlanFreeMemory(data)
        return found

    def version_block(path: str) -> bytes:
        """Return the version resource of a program, empty if it has none."""
        library = ctypes.WinDLL("version.dll")
        size = library.GetFileVersionInfoSizeW(path, None)
        block = ctypes.create_string_buffer(size) if size else None
        if block is None or not library.GetFileVersionInfoW(path, 0, size, block):
            return b""
        return block.raw

else:

    def is_administrator() -> bool:
        """Tell whether this process has the administrator's rights; only on Windows."""
        return False

    def security_health(provider: int) -> tuple[int, int]:
        """Return (HRESULT, health) of one provider; only on Windows."""
        raise Unreadable(f"{NOT_WINDOWS}: no health of security provider {provider}")

    def sessions() -> list[tuple[int, int, str, str]]:
        """Return (id, state, station, user) of the terminal sessions; only on Windows."""
        raise Unreadable(f"{NOT_WINDOWS}: it has no terminal sessions")

    def wifi_connections() -> Iterator[tuple[str, bytes]]:
        """Yield (interface GUID, connection attributes); only on Windows."""
        raise Unreadable(f"{NOT_WINDOWS}: its wireless service cannot be asked")

    def version_block(path: str) -> bytes:
        """Return the version resource of a program; only on Windows."""
        raise Unreadable(f"{NOT_WINDOWS}: {path} has no version resource here")
