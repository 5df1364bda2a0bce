# verdict: memory_limit_exceeded
# needs: cpu
# Held by the kernel in full buffers of sockets: TCP and UDP over loopback, for which control groups may
# charge nobody, and local ones. None may come to hold 256 MB: who tries is refused or killed, and in
# the end we take memory otherwise.
import os, socket, struct, sys

LIMIT, ENOUGH = 256 << 20, 300 << 20
STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM


def pairs(family, kind):
    while family == socket.AF_UNIX:
        yield socket.socketpair(family, kind)
    address = ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0)
    listener = socket.create_server(address, family=family)
    while True:
        if kind == STREAM:
            one = socket.create_connection(listener.getsockname()[:2])
            yield one, listener.accept()[0]
        else:
            one, other = socket.socket(family, kind), socket.socket(family, kind)
            other.bind(address)
            one.connect(other.getsockname())
            yield one, other


def holds(end):
    """Bytes of the kernel's that a socket's buffers take, by SO_MEMINFO."""
    received, _, sent, _, _, queued, *_ = struct.unpack("9I", end.getsockopt(socket.SOL_SOCKET, 55, 36))
    return received + max(sent, queued)


def fill(family, kind, record, processes):
    """Fills what one process may open, and has a child fill as much again."""
    held, total = [], int(os.pread(record, 20, 0) or b"0")
    try:
        for one, other in pairs(family, kind):
            held += [one, other]
            other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            one.setblocking(False)
            # Datagrams that no buffer takes are dropped without a word.
            room = 64 << 20 if kind == STREAM else other.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            try:
                while room > 0:
                    room -= one.send(b"x" * 32768)
            except BlockingIOError:
                pass
            total += holds(one) + holds(other)
            os.pwrite(record, b"%020d" % total, 0)
            if total > ENOUGH:
                return
    except OSError:
        pass
    if processes and os.fork() == 0:
        for end in held:
            end.close()
        fill(family, kind, record, processes - 1)
        os._exit(0)
    if processes:
        os.wait()


KINDS = dict(TCP=(socket.AF_INET, STREAM), TCP_6=(socket.AF_INET6, STREAM), UDP=(socket.AF_INET, DATAGRAM), stream=(socket.AF_UNIX, STREAM), datagram=(socket.AF_UNIX, DATAGRAM))
for name, (family, kind) in KINDS.items():
    record = os.open(name, os.O_RDWR | os.O_CREAT)
    if os.fork() == 0:
        fill(family, kind, record, 14)
        os._exit(0)
    os.wait()
    total = int(os.pread(record, 20, 0) or b"0")
    print(name, total >> 20, "MB", flush=True)
    # At once: the local ones may be the end of us.
    if total > LIMIT:
        sys.exit(f"held past the limit: {name}")
held = bytearray(b"x") * (1 << 30)
