# verdict: completed
# Pseudo terminals are counted for the whole machine, and a line discipline loads a kernel module.
import fcntl, os, pty, sys

done = []
for path in ("/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/0", "/dev/console", "/dev/tty0", "/dev/ttyS0", "/proc/self/root/dev/ptmx"):
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_PATH):
        try:
            handle = os.open(path, flags | os.O_NOCTTY)
            if flags != os.O_PATH:
                done.append(path)
            os.open(f"/proc/self/fd/{handle}", os.O_RDWR | os.O_NOCTTY)
            done.append(f"{path} again")
        except OSError:
            pass
try:
    done.append(f"terminal {pty.openpty()}")
except OSError:
    pass
for handle in range(3):
    for discipline in range(32):
        try:
            fcntl.ioctl(handle, 0x5423, discipline.to_bytes(4, sys.byteorder))
            done.append(f"discipline {discipline}")
        except OSError as error:
            if error.errno != 1:
                done.append(f"asked for discipline {discipline}: {error}")
if done:
    sys.exit(f"had: {done}")
print("contained")
