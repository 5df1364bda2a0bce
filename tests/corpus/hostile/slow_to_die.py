# verdict: completed
# or: time_limit_exceeded
# judge: worker
# then: not_run
# Sixteen processes of 55,000 mappings each, most of the memory in the kernel's tables: they take the kernel
# long to make and to take down, on what is left of the quota. PID 1 does not wait for them for good.
import ctypes, os, time

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PRIVATE_ANONYMOUS_UNRESERVED = 0x4022
MAPPINGS = 55000
place = libc.mmap(None, MAPPINGS * 4096, 0, PRIVATE_ANONYMOUS_UNRESERVED, -1, 0)
for page in range(0, MAPPINGS, 2):
    libc.mprotect(place + page * 4096, 4096, 1)
try:
    for _ in range(16):
        if os.fork() == 0:
            while True:
                pass
except OSError:
    pass
time.sleep(0.2)
print("contained", flush=True)
os._exit(0)
