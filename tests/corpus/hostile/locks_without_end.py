# verdict: completed
# Record locks: 192 bytes of the kernel's for each, charged to nobody and bounded by nothing. A few
# thousand are a database's affair; more must not be had, by one process or many, in any manner.
import array, fcntl, os, struct, sys, time

F_OFD_SETLK, F_OFD_SETLKW, F_SETLEASE, F_NOTIFY = 37, 38, 1024, 1026
done, begun = [], time.monotonic()


def take(name, files):
    held = 0
    try:
        for start in range(400_000, 0, -2):
            for file in files:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
                held += 1
            if held > 10_000 or time.monotonic() - begun > 8:
                break
    except OSError:
        pass
    return held


reading, writing = os.pipe()
for child in range(4):
    if os.fork() == 0:
        os.set_inheritable(writing, True)
        held = take(f"{child}", [open(f"{child}.{n}", "w+") for n in range(20)])
        os.write(writing, struct.pack("i", held))
        time.sleep(60)
total = sum(array.array("i", os.read(reading, 4)).pop() for _ in range(4))
if not 0 < total < 6_000:
    done.append(f"{total} locks")
with open("one", "w+") as file:
    record = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 1, 1, 0)
    for name, command, argument in (("open file", F_OFD_SETLK, record), ("open file, waiting", F_OFD_SETLKW, record), ("lease", F_SETLEASE, fcntl.F_WRLCK)):
        try:
            fcntl.fcntl(file, command, argument)
            done.append(name)
        except OSError:
            pass
directory = os.open(".", os.O_RDONLY)
try:
    fcntl.fcntl(directory, F_NOTIFY, 2)
    done.append("watch")
except OSError:
    pass
print(total, "locks")
if done:
    sys.exit(f"held: {done}")
print("contained")
