"""Initiates a MongoDB replica set of one, or asks whether it has a primary: replset.py initiate|hello HOST:PORT.

No shell comes with the server used for the tests, and two commands do not earn a driver: this is
MongoDB's wire message OP_MSG (2013) around a BSON document of strings, int32s, lists and documents.
"""
import socket
import struct
import sys


def bson(document):
    out = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        if isinstance(value, int):
            out += b"\x10" + name + struct.pack("<i", value)
        elif isinstance(value, str):
            text = value.encode() + b"\0"
            out += b"\x02" + name + struct.pack("<i", len(text)) + text
        elif isinstance(value, list):
            out += b"\x04" + name + bson({str(i): item for i, item in enumerate(value)})
        else:
            out += b"\x03" + name + bson(value)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def command(address, document):
    host, port = address.rsplit(":", 1)
    body = b"\0\0\0\0\0" + bson({**document, "$db": "admin"})
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)
        stream = connection.makefile("rb")
        (length,) = struct.unpack("<i", stream.read(4))
        return stream.read(length - 4)


action, address = sys.argv[1:]
if action == "initiate":
    member = {"_id": 0, "host": address}
    reply = command(address, {"replSetInitiate": {"_id": "rs0", "members": [member]}})
    done = b"\x01ok\0" + struct.pack("<d", 1.0) in reply or b"AlreadyInitialized" in reply
else:
    done = b"\x08isWritablePrimary\0\x01" in command(address, {"hello": 1})
if not done and action == "initiate":
    print(reply, file=sys.stderr)
sys.exit(0 if done else 1)
