# verdict: completed
# Cycles of every form: rings of pairs that carry each other's ends, a listener in the queue of a
# connection that it never accepted, and pipes and full socket buffers that only they hold.
import array, fcntl, os, socket

os.unlink("main.py")
file = os.open("full", os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 8 << 20)
for place in range(0, 8 << 20, 65536):
    os.pwrite(file, b"x" * 65536, place)
os.unlink("full")


def send(end, *descriptors):
    rights = array.array("i", descriptors)
    try:
        end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    except OSError as error:
        print("refused", error.errno)


def fill(end):
    end.setblocking(False)
    try:
        while True:
            end.send(b"x" * 65536)
    except OSError:
        pass


pairs = [socket.socketpair() for _ in range(20)]
for (end, _), (one, other) in zip(pairs, pairs[1:] + pairs[:1]):
    send(end, one.fileno(), other.fileno(), file)
for pair in pairs:
    for end in pair:
        fill(end)

reading, writing = os.pipe()
fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
try:
    while True:
        os.write(writing, b"x" * 65536)
except OSError:
    pass
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0cycle")
listener.listen(8)
for _ in range(4):
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0cycle")
    send(client, listener.fileno(), client.fileno(), file, reading, writing)
    fill(client)
    client.detach()
print("contained", flush=True)
os._exit(0)
