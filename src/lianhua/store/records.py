"""The record of a turn as the store keeps it: small, for every reply has one as long as it is kept.

The value is a line with two lengths in bytes, then as many of the record's JSON, compressed, and of its idempotency key
(the key first), then times that the scripts add by the store's clock: a letter and Unix seconds each, of which the last
of a letter counts (`with_time` in `lua/shared.lua`).
Most of a record is the names of its fields, the same in every one: they stand in the dictionary of the compression
(RFC 1951 with the preset dictionary of RFC 1950), which is a part of the stored form and never changes. Version 0.1
kept the JSON as it is; such values are read, too.
"""

import re
import zlib
from typing import Final

import msgspec

from lianhua.chat.turn import TurnRecord

# What a record is most likely to hold, the likeliest last (RFC 1950 says why).
_DICTIONARY: Final = (
    b'"joinable":true,"asked":"","continues":"","attempts":2,"language":"en","code":"worker_lost","message":"'
    b'"estimated":true,"cached_tokens":"status":"interrupted","finish_reason":"error","status":"failed",'
    b'"status":"stopped","finish_reason":"stopped","finish_reason":"length",0123456789abcdef,"model":"gpt-4o",'
    b'"persona":"teacher","persona":"programmer","entries":"p30l20","entries":"p250c12C80c12C80f12F80f12F80f12F80l20"}'
    b'{"user_message_id":"","reply_message_id":"","model":"","persona":"assistant","context":{"budget_tokens":6144,'
    b'"used_tokens":1000,"older_left_out":0,"entries":"p"},"end":{"status":"done","finish_reason":"stop","length":100,'
    b'"sha256":"","usage":{"prompt_tokens":1000,"completion_tokens":100}},"end_cursor":{"epoch":1,"seq":10}}'
)
_LEVEL: Final = 6  # 8 µs a record; a higher one finds nothing more
_TIME: Final = re.compile(rb"([a-z])([0-9.]+)")
_FIELD: Final = {b"s": "started_at", b"f": "first_token_at", b"e": "ended_at"}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(TurnRecord).decode


def stored_record(record: TurnRecord) -> bytes:
    """The value without its times, which the scripts add."""
    packing = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_DICTIONARY)
    plain = msgspec.structs.replace(record, key="", started_at=None, first_token_at=None, ended_at=None)
    packed = packing.compress(_encode(plain)) + packing.flush()
    key = record.key.encode()
    return b"%d %d\n%b%b" % (len(packed), len(key), key, packed)


def read_record(value: bytes) -> TurnRecord:
    """The record of a stored value. Raises `ValueError` or `zlib.error` on one that we did not write."""
    if value.startswith(b"{"):
        return _decode(value)
    lengths, _, rest = value.partition(b"\n")
    packed_bytes, key_bytes = map(int, lengths.split())
    end = key_bytes + packed_bytes
    key, packed, times = rest[:key_bytes], rest[key_bytes:end], rest[end:]
    record = _decode(zlib.decompressobj(-zlib.MAX_WBITS, zdict=_DICTIONARY).decompress(packed))
    found = {_FIELD[letter]: float(at) for letter, at in _TIME.findall(times) if letter in _FIELD}
    return msgspec.structs.replace(record, key=key.decode(), **found)
