# verdict: time_limit_exceeded
# judge: worker
# then: not_run
# within: 4000
# Since Linux 6.18 the quota is kept on the way back from a system call, so one long call is not stopped by
# it. PID 1, which shares the quota, is out of it until the debt is paid: its time limit comes late.
import os

buffer = bytearray(1 << 20)
for _ in range(4):
    if os.fork() == 0:
        with open("/dev/urandom", "rb") as file:
            while True:
                os.readv(file.fileno(), [buffer] * 1000)
while True:
    os.wait()
