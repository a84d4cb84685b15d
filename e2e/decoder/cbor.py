"""As much of CBOR (RFC 8949) as the records use: numbers, byte strings, texts, arrays, maps, true, false and null."""

from seal1 import Malformed

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, _, SIMPLE = range(8)
SIMPLE_VALUES = {20: False, 21: True, 22: None}


def decode(data):
    """The one value that `data` encodes."""
    value, end = _value(data, 0)
    _demand(end == len(data), "bytes after the value")
    return value


def _demand(holds, what):
    if not holds:
        raise Malformed(f"CBOR: {what}")


def _argument(data, at):
    _demand(at < len(data), "cut")
    low = data[at] & 0x1F
    if low < 24:
        return low, at + 1
    _demand(low <= 27, "only definite lengths occur")
    size = 1 << (low - 24)
    _demand(at + 1 + size <= len(data), "cut")
    return int.from_bytes(data[at + 1:at + 1 + size], "big"), at + 1 + size


def _value(data, at):
    _demand(at < len(data), "cut")
    kind = data[at] >> 5
    argument, at = _argument(data, at)
    if kind == UNSIGNED:
        return argument, at
    if kind == NEGATIVE:
        return -1 - argument, at
    if kind in (BYTES, TEXT):
        raw = data[at:at + argument]
        _demand(len(raw) == argument, "cut")
        return (raw if kind == BYTES else raw.decode()), at + argument
    if kind == ARRAY:
        items = []
        for _ in range(argument):
            item, at = _value(data, at)
            items.append(item)
        return items, at
    if kind == MAP:
        pairs = {}
        for _ in range(argument):
            key, at = _value(data, at)
            pairs[key], at = _value(data, at)
        return pairs, at
    _demand(kind == SIMPLE and argument in SIMPLE_VALUES, f"type {kind}, {argument}")
    return SIMPLE_VALUES[argument], at
