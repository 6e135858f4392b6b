"""Table ``certificates`` of Windows: the personal, root and intermediate stores.

Stores are named in English whatever the language of Windows.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator

from sekisho.agent.table import Row, Table, Unreadable, Where
from sekisho.agent.tables.certificates import OWN_CERTIFICATE, rows_of, split_pem
from sekisho.agent.tables.columns import CERTIFICATES
from sekisho.agent.tables.host import Host
from sekisho.agent.tables.windows.powershell import Answer, ask

_STORES = {
    "My": "Personal",
    "Root": "Trusted Root Certification Authorities",
    "CA": "Intermediate Certification Authorities",
    "AuthRoot": "Third-Party Root Certification Authorities",
    "TrustedPublisher": "Trusted Publishers",
    "TrustedPeople": "Trusted People",
}
_PIPELINE = (
    "$(foreach($l in 'LocalMachine','CurrentUser'){foreach($s in "
    + ",".join(f"'{store}'" for store in _STORES)
    + "){$p='Cert:\\'+$l+'\\'+$s;if(Test-Path -LiteralPath $p){Get-ChildItem -LiteralPath $p |"
    " ForEach-Object {[pscustomobject]@{location=$l;store=$s;"
    "data=[Convert]::ToBase64String($_.RawData)}}}}})"
)


def tables(host: Host, homes: Callable[[], Iterable[tuple[int, str]]]) -> tuple[Table, ...]:
    """Return the table; ``homes`` gives the home folders in which agents may keep a certificate."""

    def rows(_: Where) -> Iterator[Row]:
        yield from store_rows(ask(host.run, _PIPELINE))
        folders = [f"{home}/AppData/Local/Sekisho" for _, home in homes()]
        for folder in ("C:/ProgramData/Sekisho", *folders):
            path = f"{folder}/{OWN_CERTIFICATE}"
            yield from rows_of(split_pem(host.read(path) or b""), path=path, store="Sekisho")

    return (Table("certificates", CERTIFICATES, rows),)


def store_rows(objects: list[Answer]) -> Iterator[Row]:
    """Yield the certificates of the stores."""
    for found in objects:
        try:
            data = base64.b64decode(str(found["data"]), validate=True)
        except (KeyError, binascii.Error):
            raise Unreadable("Windows gave a certificate that is not base64") from None
        store = str(found.get("store"))
        yield from rows_of(
            [data],
            store=_STORES.get(store, store),
            store_location=found.get("location"),
            path=f"{found.get('location')}\\{_STORES.get(store, store)}",
        )
