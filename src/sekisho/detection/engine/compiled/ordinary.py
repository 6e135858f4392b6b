r"""What ordinary Windows records say, so that a search looks for texts that are rare in them.

Written by hand from what such machines do all day; nobody's records are in it. It decides what a
search costs and nothing else: whatever is missing here only makes a text seem rarer than it is.
"""

ORDINARY = r"""
C:\Windows\System32\svchost.exe -k netsvcs -p -s Schedule
C:\Windows\System32\svchost.exe -k LocalServiceNetworkRestricted -p -s Dhcp
C:\Windows\System32\svchost.exe -k UnistackSvcGroup -s WpnUserService
C:\Windows\System32\RuntimeBroker.exe -Embedding
C:\Windows\System32\conhost.exe 0xffffffff -ForceV1
\??\C:\Windows\system32\conhost.exe 0x4
C:\Windows\System32\taskhostw.exe {222A245B-E637-4AE9-A93F-A59CA119A75E}
C:\Windows\system32\backgroundTaskHost.exe -ServerName:CortanaUI.AppXy7vb4pc2dr3kc93kfc509b1d0arkfb2x.mca
C:\Windows\System32\dllhost.exe /Processid:{AB8902B4-09CA-4BB6-B78D-A8F59079A8D5}
C:\Windows\System32\SearchProtocolHost.exe Global\UsGthrFltPipeMssGthrPipe1_ Global\UsGthrCtrlFltPipeMssGthrPipe1
C:\Windows\System32\SearchFilterHost.exe 0 792 796 804 8192 800
C:\Windows\System32\SearchIndexer.exe /Embedding
C:\Windows\System32\services.exe
C:\Windows\System32\lsass.exe
C:\Windows\System32\csrss.exe
C:\Windows\System32\wininit.exe
C:\Windows\System32\winlogon.exe
C:\Windows\System32\smss.exe
C:\Windows\System32\spoolsv.exe
C:\Windows\System32\sihost.exe
C:\Windows\System32\ctfmon.exe
C:\Windows\System32\dwm.exe
C:\Windows\System32\audiodg.exe 0x488
C:\Windows\System32\WerFault.exe -u -p 4412 -s 1840
C:\Windows\System32\wbem\WmiPrvSE.exe -secured -Embedding
C:\Windows\System32\wbem\unsecapp.exe -Embedding
C:\Windows\System32\msiexec.exe /V
C:\Windows\System32\MusNotification.exe
C:\Windows\System32\UsoClient.exe StartScan
C:\Windows\System32\CompatTelRunner.exe -m:appraiser.dll -f:DoScheduledTelemetryRun
C:\Windows\System32\cmd.exe
C:\Windows\System32\cmd.exe /c ver
C:\Windows\SysWOW64\cmd.exe /d /s /c "node index.js"
C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe
C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -File C:\ProgramData\Inventory\inventory.ps1
C:\Windows\System32\wevtutil.exe
C:\Windows\System32\sc.exe query wuauserv
C:\Windows\System32\net.exe use
C:\Windows\System32\ipconfig.exe
C:\Windows\System32\rundll32.exe
C:\Windows\System32\rundll32.exe shell32.dll,SHCreateLocalServerRunDll {9AA46009-3CE0-458A-A354-715610A075E6} -Embedding
C:\Windows\System32\reg.exe
C:\Windows\System32\schtasks.exe
C:\Windows\System32\notepad.exe C:\Users\taro\Documents\memo.txt
C:\Windows\System32\mmc.exe
C:\Windows\explorer.exe
C:\Windows\Explorer.EXE /NOUACCHECK
C:\Windows\SysWOW64\dllhost.exe
C:\Windows\ImmersiveControlPanel\SystemSettings.exe -ServerName:microsoft.windows.immersivecontrolpanel
C:\Windows\SystemApps\Microsoft.Windows.Search_cw5n1h2txyewy\SearchApp.exe
C:\Windows\SystemApps\ShellExperienceHost_cw5n1h2txyewy\ShellExperienceHost.exe
C:\Windows\Microsoft.NET\Framework64\v4.0.30319\mscorsvw.exe
C:\Windows\servicing\TrustedInstaller.exe
C:\Windows\WinSxS\amd64_microsoft-windows-servicingstack_31bf3856ad364e35_10.0.19041.1371_none\TiWorker.exe -Embedding
C:\Windows\SoftwareDistribution\Download\Install\AM_Delta_Patch_1.397.exe WD /stub 1.1 /payload 1.397
C:\Windows\Temp\is-A1B2C.tmp\setup.tmp
C:\Windows\Prefetch\SVCHOST.EXE-A1B2C3D4.pf
C:\Windows\System32\config\systemprofile\AppData\Local\Microsoft\Windows\INetCache\Content.IE5\a.json
C:\Windows\System32\Tasks\Microsoft\Windows\UpdateOrchestrator\Schedule Scan
C:\Windows\System32\LogFiles\WMI\RtBackup\EtwRTDiagLog.etl
C:\Windows\System32\winevt\Logs\Security.evtx
C:\Windows\System32\drivers\tcpip.sys
C:\Windows\System32\DriverStore\FileRepository\nvlt.inf_amd64_1\Display.NvContainer\NVDisplay.Container.exe -s NVDisplay
C:\Program Files\Google\Chrome\Application\chrome.exe --type=renderer --lang=ja --device-scale-factor=1 --field-trial-handle=1720,i,131 /prefetch:1
C:\Program Files\Google\Chrome\Application\chrome.exe --type=utility --utility-sub-type=network.mojom.NetworkService
C:\Program Files (x86)\Google\Update\GoogleUpdate.exe /ua /installsource scheduler
C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe --type=gpu-process --no-startup-window --win-session-start
C:\Program Files (x86)\Microsoft\EdgeUpdate\MicrosoftEdgeUpdate.exe /svc
C:\Program Files (x86)\Microsoft\EdgeWebView\Application\120.0.2210.91\msedgewebview2.exe --embedded-browser-webview=1
C:\Program Files\Mozilla Firefox\firefox.exe -contentproc --channel=2
C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE
C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE C:\Users\hanako\Documents\2026\figures.xlsx
C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE /n "C:\Users\taro\Desktop\report.docx" /o ""
C:\Program Files\Microsoft Office\root\Office16\POWERPNT.EXE "C:\Users\taro\Downloads\plan.pptx"
C:\Program Files\Common Files\Microsoft Shared\ClickToRun\OfficeClickToRun.exe /service
C:\Program Files\Windows Defender\MsMpEng.exe
C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.23110.3-0\MpCmdRun.exe SignatureUpdate -ScheduleJob -RestrictPrivileges
C:\Program Files\WindowsApps\Microsoft.WindowsTerminal_1.18.3181.0_x64__8wekyb3d8bbwe\WindowsTerminal.exe
C:\Program Files\Zoom\bin\Zoom.exe --url=zoommtg://zoom.us/join?action=join
C:\Program Files\Git\cmd\git.exe status --porcelain
C:\Program Files\nodejs\node.exe C:\work\app\node_modules\.bin\vite
C:\Program Files\Java\jdk-17\bin\java.exe -jar server.jar
C:\Program Files\Python311\python.exe -m pip list
C:\Program Files\VMware\VMware Tools\vmtoolsd.exe -n vmusr
C:\Program Files\7-Zip\7zFM.exe C:\Users\taro\Downloads\files.zip
C:\Program Files\Adobe\Acrobat DC\Acrobat\Acrobat.exe --type=renderer "C:\Users\taro\Downloads\invoice.pdf"
C:\Users\hanako\AppData\Local\Microsoft\Teams\current\Teams.exe --type=renderer --app-user-model-id=com.squirrel.Teams.Teams
C:\Users\taro\AppData\Local\slack\app-4.35.131\slack.exe --type=crashpad-handler --no-rate-limit
C:\Users\taro\AppData\Local\Microsoft\OneDrive\OneDrive.exe /background
C:\Users\taro\AppData\Local\Programs\Microsoft VS Code\Code.exe --ms-enable-electron-run-as-node
C:\Users\taro\AppData\Local\Temp\nsa1B2.tmp\System.dll
C:\Users\taro\AppData\Roaming\Microsoft\Windows\Recent\memo.lnk
C:\Users\taro\AppData\Local\Google\Chrome\User Data\Default\Cache\f_000a1b
C:\Users\taro\AppData\Local\Packages\Microsoft.Windows.StartMenuExperienceHost_cw5n1h2txyewy\TempState\a.dat
C:\Users\hanako\Desktop\~$report.docx
C:\Users\taro\Documents\notes-a1b2c3.log
C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Administrative Tools\desktop.ini
C:\Windows\System32\ntdll.dll
C:\Windows\System32\kernel32.dll
C:\Windows\System32\KernelBase.dll
C:\Windows\System32\user32.dll
C:\Windows\System32\advapi32.dll
C:\Windows\System32\combase.dll
C:\Windows\System32\ws2_32.dll
C:\Windows\System32\amsi.dll
C:\Windows\SYSTEM32\ntdll.dll+9d2a4|C:\Windows\System32\KERNELBASE.dll+2c13e|UNKNOWN(00007FF8A1B2C3D4)
\Device\HarddiskVolume2\Windows\System32\svchost.exe
\device\harddiskvolume3\program files\google\chrome\application\chrome.exe
HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\Advanced\TaskbarDa
HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon
HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall\App
HKLM\System\CurrentControlSet\Services\bam\State\UserSettings\S-1-5-21-1111111111-2222222222-3333333333-1104
HKLM\System\CurrentControlSet\Services\Tcpip\Parameters\Interfaces\DhcpIPAddress
HKLM\System\CurrentControlSet\Control\Session Manager\PendingFileRenameOperations
HKLM\System\CurrentControlSet\Enum\USB\ROOT_HUB30\Properties
HKU\S-1-5-21-1111111111-2222222222-3333333333-1104\Software\Microsoft\Windows\CurrentVersion\Explorer\RecentDocs
HKU\.DEFAULT\Software\Policies\Microsoft\SystemCertificates
HKCR\CLSID\{00021401-0000-0000-C000-000000000046}\InprocServer32
\REGISTRY\MACHINE\SYSTEM\ControlSet001\Services
DWORD (0x00000001) QWORD (0x01d8a1b2-0xc3d4e5f6) Binary Data (Empty)
SetValue CreateKey DeleteValue DeleteKey
NT AUTHORITY\SYSTEM NT AUTHORITY\LOCAL SERVICE NT AUTHORITY\NETWORK SERVICE
S-1-5-18 S-1-5-19 S-1-5-20 S-1-0-0 S-1-5-21-1111111111-2222222222-3333333333-1104
S-1-16-8192 S-1-16-12288 S-1-16-16384 Medium High System Low
WORKGROUP EXAMPLE EXAMPLE\hanako Administrator ANONYMOUS LOGON DWM-1 UMFD-0 SYSTEM
0x3e7 0x3e4 0x0 0x1000 0x1410 0x1fffff 0x1 0x20 - %%1936 %%1937 %%1938 %%1833 %%1843 %%2313
Kerberos NTLM Negotiate NtLmSsp User32 Advapi NTLM V2 HOST/PC-0001.example.com krbtgt/EXAMPLE.COM
Security Account Manager SC Manager File Key Process Token Directory Service SAM_DOMAIN
SeSecurityPrivilege SeTakeOwnershipPrivilege SeLoadDriverPrivilege SeBackupPrivilege SeRestorePrivilege SeDebugPrivilege SeSystemEnvironmentPrivilege SeImpersonatePrivilege SeAssignPrimaryTokenPrivilege
SeChangeNotifyPrivilege SeShutdownPrivilege SeTcbPrivilege SeIncreaseBasePriorityPrivilege
0xc000006d 0xc000006a 0xc0000064 0xc0000234
Microsoft Corporation Microsoft® Windows® Operating System Google LLC Google Chrome 10.0.19041.1 (WinBuild.160101.0800)
Host Process for Windows Services Console Window Host Windows Command Processor Windows PowerShell Windows Explorer
svchost.exe Cmd.Exe PowerShell.EXE conhost.exe chrome.exe msedge.exe explorer.exe rundll32.exe
SHA1=AAAA,MD5=BBBB,SHA256=CCCC,IMPHASH=00000000000000000000000000000000
true false tcp udp 443 80 53 135 445 3389 5985 88 389 https http domain epmap microsoft-ds ldap ssdp
10.0.0.5 192.168.1.10 172.16.3.4 127.0.0.1 ::1 fe80:0:0:0:1:2:3:4 239.255.255.250 8.8.8.8 52.96.1.2 0.0.0.0
pc-0001.example.com login.microsoftonline.com www.google.com outlook.office365.com update.microsoft.com teams.microsoft.com
ctldl.windowsupdate.com settings-win.data.microsoft.com ocsp.digicert.com zoom.us slack.com github.com api.github.com
::ffff:10.0.0.5;type:  5 a.b.example.com;
\PIPE\lsass \pipe\srvsvc \wkssvc \spoolss \InitShutdown \mojo.1234.5678.910 \crashpad_1234_ABCD
\\*\IPC$ \\*\SYSVOL \??\C:\Windows\SYSVOL\sysvol \\srv-01\share \\pc-0001\c$
CREATE UNKNOWN(00007FFA12345678) valid Valid Microsoft Windows Unavailable
Windows Update Windows Modules Installer Background Intelligent Transfer Service Software Protection running stopped auto start demand start
function prompt { "PS $($executionContext.SessionState.Path.CurrentLocation)> " }
param([string]$path) Get-ChildItem $path | Where-Object { $_.Length -gt 0 } | ForEach-Object { $_.Name }
$value = Get-Content 'C:\work\list.csv' | Select-String foo | Out-String; Write-Host $value
if ($null -eq $result) { throw "nothing found" } else { return $result }
Import-Module ActiveDirectory; Get-ADUser -Filter * | Export-Csv users.csv
Set-StrictMode -Version 1; $this.Exception.InnerException.PSMessageDetails
New-Object System.Collections.ArrayList; Get-WmiObject Win32_OperatingSystem; Start-Sleep -Seconds 5
HostName=ConsoleHost HostVersion=5.1.19041.1 HostApplication=powershell.exe EngineVersion=5.1 NewProviderState=Started ProviderName=Registry
Microsoft-Windows-Security-Auditing Microsoft-Windows-Sysmon Service Control Manager Microsoft-Windows-PowerShell Application Error
Microsoft-Windows-Sysmon/Operational Microsoft-Windows-PowerShell/Operational Windows PowerShell Security System Application Setup
http://schemas.microsoft.com/win/2004/08/events/event {54849625-5478-4994-A5BA-3E3B0328C30D} {5770385F-C22A-43E0-BF4C-06F5698FFBD9}
0x8020000000000000 0x8000000000000000 2026-11-02T09:15:27.123456Z 2026-11-02 09:15:27.123 technique_id=T1059 -
"""  # noqa: E501 # one line is one record
"""One line stands for one record."""

NAMES = """
RuleName UtcTime ProcessGuid ProcessId Image FileVersion Description Product Company
OriginalFileName CommandLine CurrentDirectory User LogonGuid LogonId TerminalSessionId
IntegrityLevel Hashes ParentProcessGuid ParentProcessId ParentImage ParentCommandLine ParentUser
Protocol Initiated SourceIsIpv6 SourceIp SourceHostname SourcePort SourcePortName
DestinationIsIpv6 DestinationIp DestinationHostname DestinationPort DestinationPortName
ImageLoaded Signed Signature SignatureStatus SourceProcessGUID SourceProcessId SourceThreadId
SourceImage TargetProcessGUID TargetProcessId TargetImage GrantedAccess CallTrace SourceUser
TargetUser TargetFilename CreationUtcTime EventType TargetObject Details QueryName QueryStatus
QueryResults PipeName SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId
TargetUserSid TargetUserName TargetDomainName TargetLogonId LogonType LogonProcessName
AuthenticationPackageName WorkstationName TransmittedServices LmPackageName KeyLength ProcessName
IpAddress IpPort ImpersonationLevel RestrictedAdminMode VirtualAccount ElevatedToken Status
SubStatus FailureReason PrivilegeList NewProcessId NewProcessName TokenElevationType
ParentProcessName MandatoryLabel Application Direction SourceAddress DestAddress DestPort
FilterRTID LayerName LayerRTID RemoteUserID RemoteMachineID ObjectServer ObjectType ObjectName
HandleId AccessList AccessMask AccessReason ResourceAttributes ShareName ShareLocalPath
RelativeTargetName ServiceName ServiceSid TicketOptions TicketEncryptionType PreAuthType
MessageNumber MessageTotal ScriptBlockText ScriptBlockId Path ContextInfo UserData Payload
param1 param2 Binary Data ImagePath ServiceType StartType AccountName attributes Name text
SetValue CreateKey Valid File Key Process Kerberos Negotiate NTLM Medium High System Security
Microsoft#Corporation Microsoft#Windows tcp udp true false
"""
"""Names under which Windows keeps data, and the values that most records of a kind have."""
