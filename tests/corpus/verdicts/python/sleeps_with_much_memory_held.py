# verdict: time_limit_exceeded
# signal: SIGKILL
# memory above: 205
# hint has: " of 256 MiB"
# needs: cpu
import time
held = b'x' * (212 << 20)
time.sleep(60)
