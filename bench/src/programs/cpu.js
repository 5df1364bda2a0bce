let x = 0;
for (let i = 0; i < 20_000_000; i++) x = (x * 31 + i) % 1_000_003;
console.log(x);
