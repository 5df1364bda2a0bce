# verdict: completed
# Queued signals are counted by user, across containers; so are timers, which hold one each.
import ctypes, os, signal, sys

libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 3])
queued = 0
while queued < 2000 and libc.sigqueue(os.getpid(), int(signal.SIGRTMIN + 3), None) == 0:
    queued += 1
timers, timer = 0, ctypes.c_void_p()
while timers < 2000 and libc.timer_create(1, None, ctypes.byref(timer)) == 0:
    timers += 1
print(queued, timers)
if queued + timers > 256 or not queued:
    sys.exit(f"{queued} signals and {timers} timers")
print("contained")
