// verdict: time_limit_exceeded
// signal: SIGKILL
// memory above: 205
// hint has: " of 256 MiB"
// needs: cpu
const held = Buffer.alloc(207 << 20, 1);
for (let i = 0; ; i++) held[i % held.length] ^= 1;
