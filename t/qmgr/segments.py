"""Spool segments as tests need them (lib/queue/segment.h): what is in one, and damage that checksums do not tell."""
import struct

START, HEAD, ALIGN = 1024, 64, 64
RECORD = struct.Struct("<IIQQII16sI")
MAGIC, MESSAGE = 0x63655254, 1


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


class Record:
    def __init__(self, file, at):
        self.file, self.at = file, at
        magic, self.kind, self.place, self.length, self.envelope, _, self.trace, _ = RECORD.unpack_from(file, at)
        assert magic == MAGIC
        self.next = at + (HEAD + self.length + ALIGN - 1) // ALIGN * ALIGN

    def payload(self):
        return bytes(self.file[self.at + HEAD:self.at + HEAD + self.length])

    def moved(self, at, payload):
        """The bytes of a record with that payload, of the same length, at that place: whole, right, not stamped done."""
        assert len(payload) == self.length
        fields = (MAGIC, self.kind, self.place ^ self.at ^ at, self.length, self.envelope, crc32c(payload), self.trace)
        head = struct.pack("<IIQQII16s", *fields)
        return (head + struct.pack("<IIQ", crc32c(head), 0, 0) + payload).ljust(self.next - self.at, b"\0")

    def put(self, payload):
        self.file[self.at:self.next] = self.moved(self.at, payload)


def records(file):
    """Its messages; file: a bytearray."""
    at = START
    while at + HEAD <= len(file) and struct.unpack_from("<I", file, at)[0] == MAGIC:
        r = Record(file, at)
        if r.kind == MESSAGE:
            yield r
        at = r.next
