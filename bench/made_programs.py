"""Programs of the made Windows events and what usually starts them."""

_SYSTEM = "C:\\Windows\\System32\\"
SERVICES, HOST, SHELL = (
    _SYSTEM + "services.exe",
    _SYSTEM + "svchost.exe",
    r"C:\Windows\explorer.exe",
)
PARENTS = {
    HOST: SERVICES,
    _SYSTEM + "RuntimeBroker.exe": HOST,
    _SYSTEM + "taskhostw.exe": HOST,
    _SYSTEM + "backgroundTaskHost.exe": HOST,
    _SYSTEM + "SearchIndexer.exe": SERVICES,
    _SYSTEM + "conhost.exe": _SYSTEM + "cmd.exe",
    _SYSTEM + "cmd.exe": SHELL,
    _SYSTEM + r"WindowsPowerShell\v1.0\powershell.exe": SHELL,
    SHELL: _SYSTEM + "userinit.exe",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe": SHELL,
    r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE": SHELL,
    r"C:\Program Files\Microsoft Office\root\Office16\EXCEL.EXE": SHELL,
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe": SHELL,
    r"C:\Program Files\Zoom\bin\Zoom.exe": SHELL,
}
PROGRAMS = list(PARENTS)
TALKERS = [
    HOST,
    *(program for program in PROGRAMS if program.endswith(("chrome.exe", "msedge.exe"))),
]
"""Programs that may open connections without anybody wondering."""
