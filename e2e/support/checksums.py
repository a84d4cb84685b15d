"""The checksums of S3, as the base64 text that goes into headers."""

import base64
import hashlib
import zlib

CRC32C_POLYNOMIAL = 0x82F63B78
CRC64NVME_POLYNOMIAL = 0x9A6C9329AC4BC9B5


def _reflected_crc(polynomial, width):
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    ones = (1 << width) - 1

    def crc(data):
        value = ones
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return (value ^ ones).to_bytes(width // 8, "big")

    return crc


_DIGESTS = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": _reflected_crc(CRC32C_POLYNOMIAL, 32),
    "crc64nvme": _reflected_crc(CRC64NVME_POLYNOMIAL, 64),
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}
ALGORITHMS = sorted(_DIGESTS)


def base64_text(data):
    return base64.b64encode(data).decode()


def digest(algorithm, data):
    return _DIGESTS[algorithm](data)


def checksum(algorithm, data):
    """The value of the header `x-amz-checksum-<algorithm>` for these bytes."""
    return base64_text(digest(algorithm, data))


def composite(algorithm, parts):
    """The checksum of the parts' checksums, as S3 gives it to a multipart object."""
    return f"{checksum(algorithm, b''.join(digest(algorithm, part) for part in parts))}-{len(parts)}"


def content_md5(data):
    return base64_text(hashlib.md5(data).digest())


def md5_hex(data):
    return hashlib.md5(data).hexdigest()


def multipart_etag(part_etags):
    """The ETag of a multipart object, from the ETags that its parts were answered with."""
    return f"{md5_hex(b''.join(bytes.fromhex(etag) for etag in part_etags))}-{len(part_etags)}"
