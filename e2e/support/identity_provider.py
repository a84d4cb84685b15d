"""A real OpenID Connect provider (the npm package oidc-provider) on localhost, and a browser to log in with."""

import base64
import datetime
import hashlib
import html
import json
import re
import secrets
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .server import free_ports, wait_until

FOLDER = Path(__file__).resolve().parents[1] / "identity_provider"
CALLBACK = "https://app.example.com/callback"
START_TIMEOUT_S = 60
# What signs the tokens of the client `app-NAME`.
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


class IdentityProvider:
    """The provider as a process, with a certificate of its own making."""

    def __init__(self, directory):
        assert (FOLDER / "node_modules").exists(), f"run `npm ci` in {FOLDER}, or `cargo xtask test`"
        self.ca_file = Path(directory) / "idp.pem"
        key_file = Path(directory) / "idp.key"
        make_certificate(self.ca_file, key_file)
        (self.port,) = free_ports(1)
        self.log_file = Path(directory) / "idp.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                ["node", str(FOLDER / "provider.mjs"), str(self.port), str(self.ca_file), str(key_file)],
                cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._ready, START_TIMEOUT_S, "the identity provider is ready")

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def name(self):
        """The URL without its scheme, as ARNs and condition keys have it."""
        return f"localhost:{self.port}"

    def _ready(self):
        log = self.log_file.read_text(errors="replace")
        assert self.process.poll() is None, log
        return "ready" in log

    def close(self):
        self.process.kill()
        self.process.wait()

    def _browser(self):
        browser = requests.Session()
        # Neither a proxy nor other authorities of the environment.
        browser.trust_env = False
        browser.verify = str(self.ca_file)
        return browser

    def get(self, path):
        """The document at a path."""
        answer = self._browser().get(self.url + path, timeout=30)
        assert answer.ok, answer.text
        return answer.content

    def log_in(self, user, client):
        """The ID token that a client gets when a user logs in, by the authorization code flow."""
        browser = self._browser()
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "client_id": client, "response_type": "code", "scope": "openid", "redirect_uri": CALLBACK,
            "code_challenge": challenge, "code_challenge_method": "S256", "state": "s", "nonce": secrets.token_hex(8)}
        answer = browser.get(f"{self.url}/auth", params=parameters, allow_redirects=False)
        while True:
            while answer.is_redirect:
                place = urljoin(answer.url, answer.headers["location"])
                if place.startswith(CALLBACK):
                    (code,) = parse_qs(urlsplit(place).query)["code"]
                    return self._token(browser, client, code, verifier)
                answer = browser.get(place, allow_redirects=False)
            assert answer.ok, answer.text
            action = html.unescape(re.search(r'<form[^>]*action="([^"]+)"', answer.text)[1])
            (prompt,) = re.search(r'name="prompt" value="(\w+)"', answer.text).groups()
            fields = {"prompt": prompt} | ({"login": user, "password": "any"} if prompt == "login" else {})
            answer = browser.post(urljoin(answer.url, action), data=fields, allow_redirects=False)

    def _token(self, browser, client, code, verifier):
        fields = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
        answer = browser.post(f"{self.url}/token", data=fields, auth=(client, "secret"))
        assert answer.ok, answer.text
        return answer.json()["id_token"]


def make_certificate(certificate_file, key_file):
    """A certificate for localhost that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "identity provider of the tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256()))
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


def encoded(part):
    """A part of a token."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
