x = 0
for i in range(2_500_000):
    x = (x * 31 + i) % 1_000_003
print(x)
