# verdict: completed
# Files that permissions leave open: counters that carry a number to the next run, settings of one's own
# process, devices, what an image brings along. Held closed by Landlock.
import glob, os, sys

done = []
COUNTERS = ("memory.peak", "memory.current", "memory.stat", "memory.events", "cpu.stat", "pids.current", "pids.peak", "io.stat", "cgroup.procs",
    "memory/memory.max_usage_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "memory/memory.failcnt", "cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage", "pids/pids.current", "blkio/blkio.throttle.io_serviced", "cpu/cpu.stat")
for path in [f"/sys/fs/cgroup/{name}" for name in COUNTERS] + ["/sys/class/net/lo/statistics/rx_bytes", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/devices/virtual/dmi/id/sys_vendor", "/sys/kernel/notes", "/proc/self/root/sys/kernel/notes"]:
    try:
        open(path).read(1)
        done.append(path)
    except OSError as error:
        if os.path.exists(path) and error.errno != 13:
            done.append(f"{path}: {error}")
for path in ("/sys", "/sys/fs/cgroup", "/sys/class/net", "/root", "/home", "/var", "/var/lib", "/srv", "/mnt", "/media", "/boot", "/run"):
    try:
        done.append(f"{path}: {os.listdir(path)}")
    except OSError:
        pass
for path in ("oom_adj", "comm", "coredump_filter", "clear_refs", "timerslack_ns", "setgroups", "uid_map", "gid_map", "projid_map", "loginuid", "attr/current", "attr/exec", "sched", "autogroup", "make-it-fail", "mem", "ns/net"):
    for base in ("/proc/self", "/proc/thread-self"):
        try:
            os.close(os.open(f"{base}/{path}", os.O_WRONLY))
            done.append(f"{base}/{path} to write")
        except OSError:
            pass
for path in ("/dev/mqueue", "/dev/pts", "/dev", "/", "/usr", "/etc", "/proc", "/.warren"):
    for make in (lambda: os.open(f"{path}/left", os.O_CREAT | os.O_WRONLY), lambda: os.mkdir(f"{path}/left"), lambda: os.mkfifo(f"{path}/left"), lambda: os.symlink("x", f"{path}/left")):
        try:
            make()
            done.append(f"made something in {path}")
        except OSError:
            pass
# Neither by a device of number 0, which overlay file systems take for a hole, nor by moving things.
try:
    os.mknod("hole", 0o020666, 0)
    done.append("hole")
except OSError:
    pass
if open("/proc/self/oom_score_adj").read() != "1000\n":
    done.append("score")
if done:
    sys.exit(f"reached: {done}")
print("contained")
