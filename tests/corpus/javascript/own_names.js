// Has functions, methods, parameters and variables of its own, named like what the patterns refuse.
function eval(tokens) {
  return tokens.reduce((sum, token) => sum + (Array.isArray(token) ? eval(token) : token), 0);
}

class Scheduler {
  #queue = [];
  setTimeout(task) { this.#queue.push(task); return this; }
  exec() { return this.#queue.map((task) => task()); }
}

const processes = [{ name: 'a', exit: () => 'ended' }, { name: 'b', kill: (n) => n * 2, exit: () => 'gone' }];
const ends = processes.map((process) => process.exit());
const apply = (Function, ...rest) => Function(...rest);
const { open, exec = (step) => step + 1 } = { open: (cell) => [cell] };
const killed = (({ process }) => process.kill(21))({ process: processes[1] });

console.log(eval([1, [2, 3]]), new Scheduler().setTimeout(() => 5).exec()[0], ends.join(), killed);
console.log(apply(Math.max, 1, 2), open(1).length, exec(1), /(\d+)/.exec('a 12')[1]);
