# verdict: completed
# Socket options that hand programs to the kernel (classic BPF), load its modules (protocols on top of
# TCP, congestion control) or hold lists for nobody's account (multicast groups).
import ctypes, os, socket, struct, sys

done = []
length = 4096
code = b"".join(struct.pack("HBBI", 0x94, 0, 0, 3 + n) for n in range(length - 1)) + struct.pack("HBBI", 6, 0, 0, 65535)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxQ", length, ctypes.addressof(buffer))
number, group = struct.pack("i", 1), socket.inet_aton("224.1.1.1") + socket.inet_aton("127.0.0.1")
FAMILIES = ((socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_STREAM))
for family, kind in FAMILIES:
    for name, level, option, value in (
        ("filter", 1, 26, program), ("filter of a group", 1, 51, program), ("extended filter", 1, 50, number), ("extended filter of a group", 1, 52, number),
        ("lock of the filter", 1, 44, number), ("no copies", 1, 60, number), ("time stamps", 1, 29, number), ("busy polling", 1, 46, number),
        ("protocol on top", 6, 31, b"tls"), ("congestion", 6, 13, b"reno"), ("fast open", 6, 23, number), ("key", 6, 14, b"x" * 216),
        ("group", 0, 35, group), ("source list", 0, 41, group + b"\0" * 8), ("IPv6 group", 41, 20, socket.inet_pton(socket.AF_INET6, "ff02::1") + b"\1\0\0\0"),
    ):
        try:
            end = socket.socket(family, kind)
        except OSError:
            continue
        with end:
            try:
                if kind != socket.SOCK_STREAM or family != socket.AF_UNIX:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            except OSError:
                pass
            try:
                end.setsockopt(level, option, value)
                done.append(f"{name} on {family}")
            except OSError:
                pass
if done:
    sys.exit(f"set: {done}")
print("contained")
