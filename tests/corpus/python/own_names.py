# Has functions, methods, parameters and variables of its own, named like what the patterns refuse.
GRID = ["..x", "...", "x.."]
seen = {}


def open(cell):
    row, column = cell
    if cell in seen or not (0 <= row < 3 and 0 <= column < 3) or GRID[row][column] == "x":
        return 0
    seen[cell] = True
    return 1 + sum(open((row + down, column + right)) for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)))


class Machine:
    def __init__(self):
        self.stack = []

    def run(self, steps):
        def exec(step):
            name, *values = step
            return getattr(self, name)(*values)

        return [exec(step) for step in steps][-1]

    def push(self, value):
        self.stack.append(value)

    def exit(self):
        return self.stack.pop()


def retry(file, quit=lambda: "gave up"):
    return file(3) if file else quit()


print(open((0, 0)), Machine().run([("push", 7), ("exit",)]), retry(None), retry(lambda n: n * 2))
print([exit(2) for exit in (abs, str)], (lambda compile: compile(4))(float))
