# verdict: completed
# Sends a full, deleted file over a pair of sockets that are themselves in flight, and ends: no process
# has any of them, so only the kernel's collector of such cycles could free them, and nobody calls it.
import array, os, socket

os.unlink("main.py")
file = os.open("full", os.O_RDWR | os.O_CREAT)
try:
    while True:
        os.write(file, b"x" * 65536)
except OSError:
    pass
os.unlink("full")
pair = socket.socketpair()
rights = array.array("i", [pair[0].fileno(), pair[1].fileno(), file])
for end in pair:
    end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
print("contained", flush=True)
os._exit(0)
