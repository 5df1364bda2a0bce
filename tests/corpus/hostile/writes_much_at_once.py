# verdict: output_limit_exceeded
# One call that writes a gigabyte: the kernel copies it for as long as PID 1 reads.
import os

buffer = bytearray(1 << 20)
while True:
    os.writev(1, [buffer] * 1000)
