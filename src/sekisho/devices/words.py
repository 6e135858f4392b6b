"""The room's closed sets in words, in both languages, for sentences that name them."""

from collections.abc import Mapping

from sekisho.devices.model import DeviceState, Ownership
from sekisho.kernel.i18n import Text, msg

STATE_WORDS: Mapping[DeviceState, Text] = {
    DeviceState.PENDING: msg("waiting for approval"),
    DeviceState.CONSENT: msg("waiting for its owner's consent"),
    DeviceState.ACTIVE: msg("active"),
    DeviceState.PAUSED: msg("paused"),
    DeviceState.WITHDRAWN: msg("withdrawn"),
}
OWNERSHIP_WORDS: Mapping[str, Text] = {
    Ownership.COMPANY.value: msg("a company device"),
    Ownership.PRIVATE.value: msg("a private device"),
}
KEY_STORAGE_WORDS: Mapping[str, Text] = {
    "tpm": msg("in the TPM; it cannot leave it"),
    "cng": msg("kept by Windows; it cannot be exported"),
    "keychain": msg("kept by macOS; it cannot be exported"),
    "file": msg("a file; an administrator could copy it"),
}
