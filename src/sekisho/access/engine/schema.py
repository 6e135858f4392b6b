"""What a policy may speak of: the Cedar schema, and which of our signals fills which attribute.

Cedar (https://docs.cedarpolicy.com) checks each policy against it before anything is stored, so
that a misspelt attribute is found at once and not by a refusal at night. Every attribute is
declared as always there; one that is unknown at the time is left out of the request, and whatever
asks for it fails: that is a refusal (``deciding``). Policies may therefore not ask whether it
is there (``has``).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sekisho.kernel.i18n import Text, msg

ACTION = {"type": "Action", "id": "open"}
SCHEMA = """
entity Unit;
entity Group;
entity Role;
entity Kind;
entity Person in [Unit, Group, Role];
entity Resource in [Kind] { least_trust: Long, least_mfa: Long, most_mfa_age: Long };
action "open" appliesTo {
  principal: Person,
  resource: Resource,
  context: {
    active: Bool,
    mfa: Long,
    mfa_age: Long,
    trust: Long,
    door: String,
    certified: Bool,
    device_state: String,
    device_own: Bool,
    posture: String,
    posture_age: Long,
    passing: Set<String>,
    failing: Set<String>,
    unproven: Set<String>,
    exempt: Set<String>,
    findings: Long,
    address: ipaddr,
    networks: Set<String>,
    country: String,
    weekday: Long,
    minute: Long,
    now: Long,
    granted: Bool
  }
};
"""

WORDS_OF_SIGNAL: Mapping[str, Text] = {
    "active": msg("whether the account may be used"),
    "mfa": msg("how the sign-in was proven"),
    "mfa_age": msg("when the sign-in was proven"),
    "trust": msg("what kind of device is in front"),
    "door": msg("by which door the request came"),
    "certified": msg("the certificate of the device"),
    "device_state": msg("the state of the device"),
    "device_own": msg("whose device it is"),
    "posture": msg("how the device stands with the rules"),
    "posture_age": msg("when the device last answered"),
    "passing": msg("which rules the device keeps"),
    "failing": msg("which rules the device breaks"),
    "unproven": msg("which rules are not proven"),
    "exempt": msg("which rules are excepted"),
    "findings": msg("open findings about device and person"),
    "address": msg("the network address"),
    "networks": msg("the network it comes from"),
    "country": msg("the country it comes from"),
    "weekday": msg("the day of the week"),
    "minute": msg("the time of day"),
    "now": msg("the time"),
    "granted": msg("whether a request was granted"),
}
TURNING = frozenset({"mfa_age", "posture_age", "weekday", "minute", "now"})
"""What changes by mere time: a policy that looks at it is asked again within a minute."""


@lru_cache(maxsize=1)
def load_schema() -> Any:
    """Return the parsed schema."""
    import cedarpy  # noqa: PLC0415 - 7 MB that a process without decisions never needs

    return cedarpy.Schema.from_str(SCHEMA)
