"""What single fields of ordinary Windows records say, so that rare texts can be told for each.

Written by hand like ``ordinary``; it decides what a search costs and nothing else. A value that
stands twice is that much more usual; "*" is any other.
"""

_PROGRAMS = r"""
C:\Windows\System32\svchost.exe
C:\Windows\System32\svchost.exe
C:\Windows\System32\svchost.exe
C:\Windows\System32\conhost.exe
C:\Windows\System32\cmd.exe
C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe
C:\Windows\System32\RuntimeBroker.exe
C:\Windows\System32\backgroundTaskHost.exe
C:\Windows\System32\taskhostw.exe
C:\Windows\System32\dllhost.exe
C:\Windows\System32\SearchProtocolHost.exe
C:\Windows\System32\SearchIndexer.exe
C:\Windows\System32\wbem\WmiPrvSE.exe
C:\Windows\System32\lsass.exe
C:\Windows\System32\userinit.exe
C:\Windows\System32\rundll32.exe
C:\Windows\explorer.exe
C:\Program Files\Google\Chrome\Application\chrome.exe
C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe
C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE
C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE
C:\Program Files\Windows Defender\MsMpEng.exe
C:\Users\taro\AppData\Local\Microsoft\Teams\Teams.exe
System
"""
_PARENTS = r"""
C:\Windows\System32\services.exe
C:\Windows\System32\services.exe
C:\Windows\System32\svchost.exe
C:\Windows\System32\svchost.exe
C:\Windows\System32\svchost.exe
C:\Windows\explorer.exe
C:\Windows\explorer.exe
C:\Windows\explorer.exe
C:\Windows\System32\cmd.exe
C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe
C:\Program Files\Google\Chrome\Application\chrome.exe
C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe
"""
_COMMANDS = r"""
"C:\Users\taro\AppData\Local\Microsoft\Teams\Update.exe" --processStart Teams.exe
"C:\Users\taro\AppData\Local\Microsoft\OneDrive\OneDrive.exe" /background
C:\Windows\System32\svchost.exe -k netsvcs -p -s Schedule
C:\Windows\System32\svchost.exe -k LocalService -p
"C:\Program Files\Google\Chrome\Application\chrome.exe" --type=renderer --field-trial-handle=1 /prefetch:1
"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe" --type=utility --lang=ja /n
C:\Windows\system32\cmd.exe /d /s /c "node index.js"
C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -File C:\ProgramData\Inventory\get.ps1
"C:\Windows\System32\RuntimeBroker.exe" -Embedding
\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1
C:\Windows\explorer.exe /NOUACCHECK
taskhostw.exe {222A245B-E637-4AE9-A93F-A59CA119A75E}
"C:\Windows\system32\SearchFilterHost.exe" 0 792 796 804 8192 800
C:\Windows\System32\rundll32.exe shell32.dll,SHCreateLocalServerRunDll -Embedding
"""  # noqa: E501 # one line is one value
_FILES = r"""
C:\Users\taro\Documents\report.docx
C:\Users\taro\AppData\Local\Temp\a1b2.tmp
C:\Users\taro\AppData\Local\Google\Chrome\User Data\Default\a.log
C:\Users\taro\AppData\Roaming\Microsoft\Windows\Recent\a.lnk
C:\Windows\System32\LogFiles\a.log
C:\Windows\Prefetch\A.EXE-1234.pf
C:\ProgramData\Microsoft\Windows Defender\a.json
"""
_REGISTRY = r"""
HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\a
HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\a
HKLM\System\CurrentControlSet\Services\bam\State\UserSettings
HKLM\System\CurrentControlSet\Services\Tcpip\Parameters
HKU\S-1-5-21-1-2-3-1104\SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\a
HKU\S-1-5-21-1-2-3-1104_Classes\a
"""
_LIBRARIES = r"""
C:\Windows\System32\kernel32.dll
C:\Windows\System32\ntdll.dll
C:\Windows\System32\user32.dll
C:\Windows\System32\combase.dll
C:\Windows\System32\a.dll
C:\Windows\SysWOW64\a.dll
C:\Program Files\a\a.dll
C:\Users\taro\AppData\Local\Microsoft\Teams\a.dll
"""
_TRACES = r"""
C:\Windows\SYSTEM32\ntdll.dll+9d234|C:\Windows\System32\KERNELBASE.dll+2c13e
C:\Windows\SYSTEM32\ntdll.dll+9d234|UNKNOWN(00007FFA12345678)
"""
_ACCOUNTS = r"""
NT AUTHORITY\SYSTEM
NT AUTHORITY\NETWORK SERVICE
NT AUTHORITY\LOCAL SERVICE
EXAMPLE\hanako
EXAMPLE\taro
-
"""
_NAMES = "SYSTEM\nPC-0001$\nhanako\ntaro\n-\nLOCAL SERVICE\nNETWORK SERVICE\nDWM-1"
_SIDS = "S-1-5-18\nS-1-5-18\nS-1-5-21-1-2-3-1104\nS-1-5-21-1-2-3-1104\nS-1-0-0\nS-1-5-19"
_DOMAINS = "EXAMPLE\nNT AUTHORITY\n-\nWORKGROUP\nWindow Manager"
_LOGONS = "0x3e7\n0x3e4\n*\n*\n0x0"
_HOSTS = "PC-0001\nPC-0001.example.com\nSRV-01\n-\nlogin.microsoftonline.com"
_ADDRESSES = "10.0.0.5\n192.168.1.10\n127.0.0.1\nfe80::1\n-\n8.8.8.8"
_PORTS = "443\n80\n53\n445\n135\n*\n*\n*\n*\n*"
_TRUTHS = "true\nfalse"

_VALUES = {
    "Image NewProcessName ProcessName SourceImage TargetImage Application": _PROGRAMS,
    "ParentImage ParentProcessName": _PARENTS,
    "CommandLine ParentCommandLine ProcessCommandLine HostApplication": _COMMANDS,
    "TargetFilename ObjectName RelativeTargetName": _FILES,
    "TargetObject": _REGISTRY,
    "ImageLoaded": _LIBRARIES,
    "User ParentUser SourceUser TargetUser": _ACCOUNTS,
    "SubjectUserName TargetUserName AccountName": _NAMES,
    "SubjectUserSid TargetUserSid TargetSid UserSid": _SIDS,
    "SubjectDomainName TargetDomainName": _DOMAINS,
    "SubjectLogonId TargetLogonId LogonId": _LOGONS,
    "WorkstationName DestinationHostname SourceHostname": _HOSTS,
    "SourceIp DestinationIp IpAddress SourceAddress DestAddress": _ADDRESSES,
    "SourcePort DestinationPort DestPort IpPort": _PORTS,
    "Initiated Signed SourceIsIpv6 DestinationIsIpv6": _TRUTHS,
    "OriginalFileName": "svchost.exe\nCmd.Exe\nPowerShell.EXE\nCONHOST.EXE\nchrome.exe\n-\n-\n*",
    "Company Signature": "Microsoft Corporation\nMicrosoft Windows\nGoogle LLC\n-",
    "Product": "Microsoft® Windows® Operating System\nGoogle Chrome\nMicrosoft Edge\n-",
    "Description": "Host Process for Windows Services\nWindows PowerShell\nGoogle Chrome\n-",
    "FileVersion": "10.0.19041.1 (WinBuild.160101.0800)\n10.0.26100.1\n-",
    "CurrentDirectory": "C:\\Windows\\system32\\\nC:\\Windows\\\nC:\\Users\\taro\\",
    "IntegrityLevel": "Medium\nHigh\nSystem\nLow",
    "MandatoryLabel": "S-1-16-8192\nS-1-16-12288\nS-1-16-16384",
    "TokenElevationType": "%%1936\n%%1937\n%%1938",
    "ImpersonationLevel": "%%1833\n%%1833\n%%1840",
    "ElevatedToken VirtualAccount": "%%1842\n%%1843",
    "LogonType": "3\n3\n3\n5\n2\n7\n10",
    "LogonProcessName": "Kerberos\nAdvapi\nUser32\nNtLmSsp",
    "AuthenticationPackageName": "Kerberos\nNegotiate\nNTLM",
    "LmPackageName": "-\nNTLM V2",
    "KeyLength": "0\n0\n128",
    "Status SubStatus": "0xc000006d\n0xc000006a\n0x0",
    "FailureReason": "%%2313\n%%2304",
    "PrivilegeList": "SeSecurityPrivilege SeBackupPrivilege SeRestorePrivilege SeDebugPrivilege",
    "TicketOptions": "0x40810000\n0x60810010",
    "TicketEncryptionType": "0x12\n0x12\n0x17",
    "ServiceName": "krbtgt\nPC-0001$\n*",
    "Protocol": "tcp\nudp\n6\n17",
    "Direction": "%%14592\n%%14593",
    "LayerName": "%%14608\n%%14611",
    "LayerRTID": "44\n48",
    "ObjectServer": "Security\nSecurity\nSC Manager\nDS",
    "ObjectType": "File\nFile\nKey\nProcess\nSAM_DOMAIN",
    "AccessMask": "0x1\n0x2\n0x100\n0x20019\n0x1410",
    "AccessList": "%%4416\n%%4417\n%%4423\n%%1538",
    "ShareName": "\\\\*\\IPC$\n\\\\*\\SYSVOL\n\\\\*\\C$\n\\\\*\\share",
    "EventType": "SetValue\nCreateKey\nDeleteValue\nConnectPipe",
    "Details": "DWORD (0x00000001)\nBinary Data\nQWORD (0x00000000-0x00000001)\nC:\\a.exe\n(Empty)",
    "SignatureStatus": "Valid\nValid\nUnavailable",
    "GrantedAccess": "0x1000\n0x1400\n0x1410\n0x1fffff\n0x40",
    "CallTrace": _TRACES,
    "QueryStatus": "0\n9003",
    "QueryName": "login.microsoftonline.com\nwww.google.com\na.example.com\npc-0001.example.com",
    "MessageNumber MessageTotal TerminalSessionId": "1\n1\n2",
}
USUAL = {
    name: tuple(value.casefold() for value in values.strip("\n").split("\n"))
    for names, values in _VALUES.items()
    for name in names.split()
}
"""Values by the name of the field, in lower case."""
