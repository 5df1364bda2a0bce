# verdict: memory_limit_exceeded
# or: time_limit_exceeded
# judge: worker
# Makes itself as dear to the memory killer as PID 1, has the memory held by the kernel's buffers of
# processes that are smaller than PID 1, and lets one that is small, too, take the rest: then PID 1 is the
# largest that there is, and its death is the verdict.
import os, socket

try:
    with open("/proc/self/oom_score_adj", "w") as adjustment:
        adjustment.write("500")
except OSError:
    pass


def used():
    for path in ("memory.current", "memory/memory.usage_in_bytes"):
        try:
            with open(f"/sys/fs/cgroup/{path}") as figure:
                return int(figure.read())
        except OSError:
            pass
    return 0


for _ in range(40):
    mine = []
    try:
        while len(mine) < 120 and used() < 248 << 20:
            a, b = socket.socketpair()
            a.setblocking(False)
            mine += [a, b]
            try:
                while True:
                    a.send(b"x" * 4096)
            except BlockingIOError:
                pass
        if os.fork() == 0:
            for end in mine:
                os.set_inheritable(end.fileno(), True)
            os.execv("/bin/sleep", ["sleep", "100"])
    except OSError:
        break
    for end in mine:
        end.close()
    if used() >= 246 << 20:
        break
os.execv("/bin/sh", ["sh", "-c", "head -c 15m /dev/zero > /tmp/a; head -c 60000 /dev/zero; sleep 100"])
