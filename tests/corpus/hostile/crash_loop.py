# verdict: completed
# Crashes of every kind: none leaves a core file, and none starts the host's handler of crashes, which
# is started at any limit of the file's size but exactly one byte.
import os, resource, signal, sys

done = []
SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGILL, signal.SIGFPE, signal.SIGBUS, signal.SIGTRAP, signal.SIGSYS, signal.SIGXCPU, signal.SIGXFSZ)
before = set(os.listdir("."))
for number in SIGNALS * 4:
    child = os.fork()
    if child == 0:
        for limits in ((0, 0), (0, 1), (1, resource.RLIM_INFINITY), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
            try:
                resource.setrlimit(resource.RLIMIT_CORE, limits)
            except (OSError, ValueError):
                pass
        if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
            os._exit(9)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        done.append(f"limit {number}")
    if os.WCOREDUMP(status):
        done.append(f"core of {number}")
if set(os.listdir(".")) != before:
    done.append(f"files {os.listdir('.')}")
if done:
    sys.exit(f"crashed with {done}")
print("contained")
