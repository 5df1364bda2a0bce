import os

# Two processes, each in one long system call. Since Linux 6.18 the kernel stops neither of them at
# the quota before its call returns.
buffer = bytearray(1 << 20)
for _ in range(2):
    if os.fork() == 0:
        os.readv(os.open("/dev/urandom", os.O_RDONLY), [buffer] * 220)
        os._exit(0)
for _ in range(2):
    os.wait()
