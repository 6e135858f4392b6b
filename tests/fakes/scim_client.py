"""A directory that speaks SCIM as RFC 7644 has it: what an identity provider's client does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar.testing import TestClient

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@dataclass(slots=True)
class Directory:
    """A client with a bearer token; every answer is checked for the form the standard asks."""

    client: TestClient[Any]
    token: str

    def ask(
        self, method: str, path: str, body: object = None, expect: int = 200, **headers: str
    ) -> Any:
        """Send a request and return the JSON of the answer (None for 204)."""
        sent = {"Authorization": f"Bearer {self.token}", "Accept": "application/scim+json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/scim+json"
        answer = self.client.request(
            method, f"/scim/v2{path}", json=body, headers=sent, follow_redirects=False
        )
        assert answer.status_code == expect, answer.text
        if expect == 204:
            return None
        assert answer.headers["content-type"].startswith("application/scim+json")
        found = answer.json()
        if expect >= 400:
            assert found["schemas"] == [ERROR]
            assert found["status"] == str(expect)
        if expect == 201:
            assert answer.headers["location"] == found["meta"]["location"]
        if method in {"GET", "PUT", "PATCH"} and "meta" in found and "version" in found["meta"]:
            assert answer.headers["etag"] == found["meta"]["version"]
        return found

    def create(self, email: str, **more: object) -> Any:
        """Create a user with the least a provider sends."""
        body = {"schemas": [USER], "userName": email, "displayName": email, "active": True}
        return self.ask("POST", "/Users", {**body, **more}, 201)

    def change(self, path: str, *operations: Mapping[str, object], expect: int = 200) -> Any:
        """Send a PATCH."""
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return self.ask("PATCH", path, body, expect)

    def find(self, kind: str, text: str) -> list[Any]:
        """Return the resources a filter finds."""
        found = self.ask("GET", f"/{kind}?filter={text}")
        assert found["totalResults"] >= len(found["Resources"]) == found["itemsPerPage"]
        resources: list[Any] = found["Resources"]
        return resources
