"""CORS rules of a bucket as XML."""

from .access import NAMESPACE, put_document

ORIGIN = "https://app.example.org"


def rule(origin=ORIGIN, methods=("GET",), more=""):
    allowed = "".join(f"<AllowedMethod>{method}</AllowedMethod>" for method in methods)
    return f"<CORSRule>{allowed}<AllowedOrigin>{origin}</AllowedOrigin>{more}</CORSRule>"


def put_cors(client, bucket, *rules, headers=None):
    return put_document(
        client, bucket, "cors", f'<CORSConfiguration xmlns="{NAMESPACE}">{"".join(rules)}</CORSConfiguration>', headers=headers)
