# verdict: completed
# Ends in the middle of a crowd that forks without pause, each with much to take down.
import os, time

held = bytearray(b"x") * (3 << 20)
for _ in range(8):
    if os.fork() == 0:
        while True:
            try:
                if os.fork():
                    os._exit(0)
                held[::4096] = b"y" * (len(held) // 4096)
            except OSError:
                pass
time.sleep(0.2)
print("contained", flush=True)
os._exit(0)
