# verdict: completed
# The same with the directory's inodes instead of its blocks: as many deleted files as may be in flight,
# and on each as many attributes as fit, which newer kernels count as inodes.
import array, os, socket

os.unlink("main.py")
files, left = [], 8 << 20
try:
    for number in range(100):
        file = os.open(f"f{number}", os.O_RDWR | os.O_CREAT)
        os.unlink(f"f{number}")
        files.append(file)
        size = 32768
        for attribute in range(64 if left > 0 else 0):
            try:
                os.setxattr(file, f"user.{attribute}", b"x" * size)
                left -= size
            except OSError:
                size //= 2
except OSError as error:
    print("full or refused", error.errno, len(files))
pair = socket.socketpair()
for end in pair:
    rights = array.array("i", [pair[0].fileno(), pair[1].fileno(), *files])
    end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    files = []
print("contained", flush=True)
os._exit(0)
