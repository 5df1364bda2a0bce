x = 0
for i in range(2_000_000):
    x = (x * 31 + i) % 1_000_003
print(x)
