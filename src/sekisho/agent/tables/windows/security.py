"""Security Center's health, the account policy and the firewall rules of Windows."""

from collections.abc import Callable, Iterator

from sekisho.agent.table import Row, Table, Unreadable
from sekisho.agent.tables.columns import (
    SECURITY_PROFILE_INFO,
    WINDOWS_FIREWALL_RULES,
    WINDOWS_SECURITY_CENTER,
)
from sekisho.agent.tables.commands import Run
from sekisho.agent.tables.windows.api import security_health
from sekisho.agent.tables.windows.powershell import Answer, ask
from sekisho.agent.tables.windows.registry import Registry

Health = Callable[[int], tuple[int, int]]
# WSC_SECURITY_PROVIDER of wscapi.h.
_PROVIDERS = {
    "firewall": 1,
    "autoupdate": 2,
    "antivirus": 4,
    "antispyware": 8,
    "internet_settings": 16,
    "user_account_control": 32,
    "windows_security_center_service": 64,
}
_HEALTH = {0: "Good", 1: "Not Monitored", 2: "Poor", 3: "Snoozed"}
_SHARED_ACCESS = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess"
_RULE_KEYS = (
    rf"{_SHARED_ACCESS}\Parameters\FirewallPolicy\FirewallRules",
    r"HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules",
)
_PROTOCOLS = {"": "Any", "1": "ICMPv4", "6": "TCP", "17": "UDP", "58": "ICMPv6"}
_RULE_VALUES = {
    "app_name": "App",
    "grouping": "EmbedCtxt",
    "local_addresses": "LA4",
    "remote_addresses": "RA4",
    "local_ports": "LPort",
    "remote_ports": "RPort",
    "icmp_types_codes": "ICMP4",
    "service_name": "Svc",
}
# secedit's names -> columns ([System Access] and [Event Audit] of its export).
_POLICY = {
    "MinimumPasswordAge": "minimum_password_age",
    "MaximumPasswordAge": "maximum_password_age",
    "MinimumPasswordLength": "minimum_password_length",
    "PasswordComplexity": "password_complexity",
    "PasswordHistorySize": "password_history_size",
    "LockoutBadCount": "lockout_bad_count",
    "RequireLogonToChangePassword": "logon_to_change_password",
    "ForceLogoffWhenHourExpire": "force_logoff_when_expire",
    "NewAdministratorName": "new_administrator_name",
    "NewGuestName": "new_guest_name",
    "ClearTextPassword": "clear_text_password",
    "LSAAnonymousNameLookup": "lsa_anonymous_name_lookup",
    "EnableAdminAccount": "enable_admin_account",
    "EnableGuestAccount": "enable_guest_account",
    "AuditSystemEvents": "audit_system_events",
    "AuditLogonEvents": "audit_logon_events",
    "AuditObjectAccess": "audit_object_access",
    "AuditPrivilegeUse": "audit_privilege_use",
    "AuditPolicyChange": "audit_policy_change",
    "AuditAccountManage": "audit_account_manage",
    "AuditProcessTracking": "audit_process_tracking",
    "AuditDSAccess": "audit_ds_access",
    "AuditAccountLogon": "audit_account_logon",
}
# An administrator gets the whole policy; a user learns which built-in accounts are enabled.
_PROFILE = r"""$(
 $me = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
 $admin = $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
 $text = ''
 if ($admin) {
  $file = [IO.Path]::GetTempFileName()
  try { secedit.exe /export /cfg $file /quiet | Out-Null
   $text = [IO.File]::ReadAllText($file) } finally { Remove-Item -LiteralPath $file -Force } }
 $accounts = @(Get-CimInstance Win32_UserAccount -Filter 'LocalAccount=True' |
  Select-Object SID,Disabled)
 [pscustomobject]@{Policy=$text;Accounts=$accounts})"""


def tables(registry: Registry, run: Run, health: Health = security_health) -> tuple[Table, ...]:
    """Return the three tables; ``health`` asks Security Center for one provider."""
    return (
        Table("windows_security_center", WINDOWS_SECURITY_CENTER, lambda _: center_rows(health)),
        Table("windows_firewall_rules", WINDOWS_FIREWALL_RULES, lambda _: rule_rows(registry)),
        Table(
            "security_profile_info",
            SECURITY_PROFILE_INFO,
            lambda _: profile_rows(ask(run, _PROFILE)),
        ),
    )


def center_rows(health: Health) -> Iterator[Row]:
    """Yield the health of each security feature.

    A provider that gives an error is "Error", as in osquery; if none answers (a server, or the
    service is stopped) the table is ``Unreadable``.
    """
    answers = {column: health(number) for column, number in _PROVIDERS.items()}
    if all(code != 0 for code, _ in answers.values()):
        raise Unreadable("Windows Security Center gave no answer; its service may be stopped")
    yield {
        column: _HEALTH.get(state, "Error") if code == 0 else "Error"
        for column, (code, state) in answers.items()
    }


def rule_rows(registry: Registry) -> Iterator[Row]:
    """Yield the firewall rules, the machine's own and those by policy."""
    found = [key for key in map(registry, _RULE_KEYS) if key is not None]
    if not found:
        raise Unreadable("the registry has no FirewallRules; is this a Windows with a firewall?")
    for key in found:
        for _, _, data in key.values:
            if isinstance(data, str) and "|" in data:
                yield parse_rule(data)


def parse_rule(text: str) -> Row:
    """Read one rule of the registry ([MS-GPFAS] 2.2.2.19): ``v2.31|Action=Allow|…|``.

    A rule without ``Profile`` holds on all profiles; ``LPort`` may stand several times.
    """
    fields: dict[str, list[str]] = {}
    for part in text.split("|"):
        key, equals, value = part.partition("=")
        if equals:
            key = "LPort" if key.startswith("LPort2_") else key  # ranges, since version 2.10
            fields.setdefault(key, []).append(value)
    profiles = {profile.lower() for profile in fields.get("Profile", [])}
    first = {key: values[0] for key, values in fields.items()}
    protocol = first.get("Protocol", "")
    return {
        "name": first.get("Name", ""),
        "action": first.get("Action", ""),
        "enabled": int(first.get("Active", "").upper() == "TRUE"),
        "direction": first.get("Dir", ""),
        "protocol": _PROTOCOLS.get(protocol, protocol),
        **{column: ",".join(fields.get(key, [])) for column, key in _RULE_VALUES.items()},
        "profile_domain": int(not profiles or "domain" in profiles),
        "profile_private": int(not profiles or "private" in profiles),
        "profile_public": int(not profiles or "public" in profiles),
    }


def parse_policy(text: str) -> dict[str, str]:
    """Read secedit's export: columns and values of the account and audit policy."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        column = _POLICY.get(key.strip())
        if equals and column:
            found[column] = value.strip().strip('"')
    return found


def profile_rows(objects: list[Answer]) -> Iterator[Row]:
    """Yield the policy; the built-in accounts (SID …-500 and …-501) are always told."""
    for found in objects:
        disabled = {
            str(account.get("SID", "")).rpartition("-")[2]: bool(account.get("Disabled"))
            for account in found.get("Accounts") or []
        }
        if "501" not in disabled:
            raise Unreadable("Windows did not tell the state of its guest account (SID …-501)")
        yield {
            **parse_policy(str(found.get("Policy") or "")),
            "enable_guest_account": int(not disabled["501"]),
            "enable_admin_account": int(not disabled.get("500", True)),
        }
