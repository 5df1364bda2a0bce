# verdict: completed
# A chain of processes that each wait, deaf to most signals, for a child that they vforked. The last one has
# stopped itself, and the program leaves them all.
import ctypes, os, signal, time

libc = ctypes.CDLL(None, use_errno=True)
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
CLONE_VFORK = 0x4000
if os.fork() == 0:
    os.setsid()
    for number in range(1, 32):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_IGN)
    for _ in range(20):
        if libc.syscall(CLONE, CLONE_VFORK | signal.SIGCHLD, 0, 0, 0, 0) != 0:
            os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(100)
time.sleep(0.3)
print("contained", flush=True)
os._exit(0)
