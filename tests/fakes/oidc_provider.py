"""An OpenID provider that does as the specifications say, and bends any part of it on demand.

It checks what a provider must check (client, secret, redirect address, PKCE S256, one use of a
code), so that a flow that works here was done rightly; ``bend`` plays the hostile one.
"""

import base64
import functools
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "sekisho", "s3cr:t+/="
Claims = dict[str, Any]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()


@functools.cache
def first_key() -> RSAKey | ECKey:
    """Return the key that every provider begins with (making one takes long)."""
    return make_key("one")


def make_key(kid: str, kind: str = "RSA", **more: Any) -> RSAKey | ECKey:
    """Make a key pair that the provider may sign with."""
    named: Any = {"kid": kid, "use": "sig", **more}
    if kind == "EC":
        return ECKey.generate_key("P-256", named)
    return RSAKey.generate_key(2048, named)


@dataclass
class Provider:
    """What it knows, whom it signs in, and how it bends its answers."""

    now: Callable[[], float] = time.time
    url: str = ""
    keys: list[Any] = field(default_factory=lambda: [first_key()])
    published: list[Claims] | None = None
    algorithm: str = "RS256"
    user: Claims = field(default_factory=lambda: {"sub": "u-1"})
    claims: Callable[[Claims], Claims] = field(default=lambda claims: claims)
    header: Callable[[Claims], Claims] = field(default=lambda header: header)
    token: Callable[[str], str] = field(default=lambda token: token)
    document: Callable[[Claims], Claims] = field(default=lambda document: document)
    response: Callable[[Claims], Claims] = field(default=lambda response: response)
    codes: dict[str, Claims] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    def authorize(self, address: str) -> list[tuple[str, str]]:
        """Sign the user in at the address a browser was led to; return what it comes back with."""
        wanted = dict(parse_qsl(urlsplit(address).query))
        assert wanted["response_type"] == "code"
        assert wanted["client_id"] == CLIENT
        assert wanted["code_challenge_method"] == "S256"
        assert "openid" in wanted["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**wanted, "signed_in_at": int(self.now())}
        answer = {"code": code, "state": wanted["state"], "iss": self.url}
        return list(self.response(answer).items())

    def metadata(self) -> Claims:
        """Say what it is."""
        return self.document(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "authorization_response_iss_parameter_supported": True,
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    def jwks(self) -> Claims:
        """Show its public keys."""
        if self.published is not None:
            return {"keys": self.published}
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def show(self, path: str) -> tuple[int, Claims]:
        """Answer what anybody may ask."""
        self.asked.append(path)
        known = {"/.well-known/openid-configuration": self.metadata, "/keys": self.jwks}
        if self.silent or path not in known:
            return 503 if self.silent else 404, {}
        return 200, known[path]()

    def redeem(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, Claims]:
        """Give tokens for a code, once, to the program it was made for."""
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        name, _, secret = given.partition(":")
        wanted = self.codes.pop(form["code"][0], None)
        good = (
            wanted is not None
            and (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)
            and form["redirect_uri"][0] == wanted["redirect_uri"]
            and self._challenge(form["code_verifier"][0]) == wanted["code_challenge"]
        )
        if not good or wanted is None:
            return 400, {"error": "invalid_grant"}
        access = secrets.token_urlsafe(16)
        token = self.token(self._sign(wanted, access))
        return 200, {"access_token": access, "token_type": "Bearer", "id_token": token}

    def _challenge(self, verifier: str) -> str:
        digest = hashlib.sha256(verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def _sign(self, wanted: Claims, access: str) -> str:
        now = int(self.now())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": wanted["nonce"],
            "at_hash": _hash(access),
            "auth_time": wanted["signed_in_at"],
            **self.user,
        }
        header = self.header({"alg": self.algorithm, "kid": self.keys[0].kid})
        return jws.serialize_compact(
            header, json.dumps(self.claims(claims)), self.keys[0], [header["alg"]]
        )


@contextmanager
def running_provider(now: Callable[[], float] = time.time) -> Iterator[Provider]:
    """Serve until the block ends."""
    provider = Provider(now)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer discovery and keys."""
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/keys")
                self.end_headers()
            else:
                self._say(*provider.show(self.path))

        def do_POST(self) -> None:
            """Redeem a code."""
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._say(*provider.redeem(self.headers.get("Authorization", ""), parse_qs(body)))

        def _say(self, status: int, document: Claims) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
