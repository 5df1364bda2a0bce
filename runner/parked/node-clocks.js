// Starts the clocks of a parked Node.js with its program, instead of with its process.
//
// A parked process may be minutes old when its program begins, but `performance.now()` and
// `process.uptime()` count from the process's start. This file is preloaded (by NODE_OPTIONS) before
// the interpreter waits. It sets the clocks when the program is about to be compiled, and leaves
// nothing else behind that a program looks at. In Node.js 18 `performance.now()`, marks, measures and events all read
// `process.hrtime()`, so that they move with it. Worker threads have the clocks of their program.
//
// Node.js loads `perf_hooks` and `worker_threads` when they are first used, which is 5 ms of CPU for each
// interpreter. So this file does not use them before a program needs them.
'use strict';

// The modules that a program finds loaded are those of this moment.
const { moduleLoadList } = process;
const loaded = moduleLoadList.length;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, keys } = Object;

// The key under which worker threads find the age of the process at which its program began.
const KEY = 'warren.parked';

// What a program has in it that uses those modules, also if it only makes their names: without a dynamic
// `require` no other way leads to them but the global `performance`.
const USES = /perf|worker|import|eval|Function|module|require(?!\s*\(\s*['"`])/i;

// The age: in milliseconds by `performance.now()`, and in seconds by `process.uptime()`, which begins a
// few milliseconds later.
const age = { ms: 0, uptime: 0 };

// The first in the units of `process.hrtime()`.
let seconds = 0;
let nanoseconds = 0;
let all = 0n;

const setAge = (ms, uptime) => {
  age.ms = ms;
  age.uptime = uptime;
  seconds = Math.trunc(ms / 1e3);
  nanoseconds = Math.trunc((ms % 1e3) * 1e6);
  all = BigInt(seconds) * 1000000000n + BigInt(nanoseconds);
};

// Makes a function that reads like one of Node's own, by its name and number of parameters.
const like = (model, replacement) => {
  const made = replacement.bind(undefined);
  for (const property of ['name', 'length']) {
    defineProperty(made, property, getOwnPropertyDescriptor(model, property));
  }
  return made;
};

// Replaces a method, given a function that makes the new one of the old one.
const replace = (object, name, make) => {
  const property = getOwnPropertyDescriptor(object, name);
  const value = like(property.value, make(property.value));
  defineProperty(object, name, { ...property, value });
  return value;
};

// Returns the object of a prototype chain that has the property itself.
const owner = (object, name) => {
  while (object && !getOwnPropertyDescriptor(object, name)) object = getPrototypeOf(object);
  return object;
};

const installOfProcess = () => {
  const { bigint } = process.hrtime;
  const property = getOwnPropertyDescriptor(process.hrtime, 'bigint');
  const hrtime = replace(process, 'hrtime', (original) => (time) => {
    const read = original(time);
    const rest = read[1] - nanoseconds;
    return rest < 0 ? [read[0] - seconds - 1, rest + 1e9] : [read[0] - seconds, rest];
  });
  defineProperty(hrtime, 'bigint', { ...property, value: like(bigint, () => bigint() - all) });
  replace(process, 'uptime', (original) => () => original() - age.uptime);
};

// Sets the clock of `performance`. The age is known.
const installOfPerformance = (performance) => {
  const { ms } = age;
  // Newer versions read another clock: then setting this one by an hour makes no difference.
  seconds += 3600;
  const follows = performance.now() < 0;
  seconds -= 3600;
  if (!follows) {
    const clock = owner(performance, 'now');
    replace(clock, 'now', (original) => () => original.call(performance) - ms);
  }

  // What was reached before the program began was reached, in the same order, within the first
  // thousandth of a millisecond; -1 is not reached.
  const { nodeTiming } = performance;
  for (const name of keys(nodeTiming)) {
    const property = getOwnPropertyDescriptor(nodeTiming, name);
    const { get } = property;
    if (!get || name === 'duration' || name === 'idleTime') continue;
    const moved = like(get, () => {
      const at = get.call(nodeTiming);
      if (at > ms) return at - ms;
      return at < 0 ? at : at / ms / 1e3;
    });
    defineProperty(nodeTiming, name, { ...property, get: moved });
  }
  const home = owner(performance, 'timeOrigin');
  defineProperty(home, 'timeOrigin', { value: performance.timeOrigin + ms });
};

// Sets it as soon as the program comes upon the global.
const installWhenUsed = () => {
  const property = getOwnPropertyDescriptor(globalThis, 'performance');
  const { get } = property;
  let found;
  const first = () => {
    if (!found) {
      found = get.call(globalThis);
      installOfPerformance(found);
    }
    // Through the original, which knows whether the program has set another.
    return get.call(globalThis);
  };
  if (get) defineProperty(globalThis, 'performance', { ...property, get: like(get, first) });
};

// Removes what shows that this file was loaded.
const forget = () => {
  delete process.env.NODE_OPTIONS;
  delete require.cache[__filename];
  const paths = module.constructor._pathCache;
  for (const key of keys(paths)) {
    if (paths[key] === __filename) delete paths[key];
  }
};

// Returns the reader of the loader's own files: `fs` for programs would load thirty modules more. It takes a
// path and returns a list with the text. For versions that have none, everything is loaded for every program.
const reader = () => {
  try {
    return process.binding('fs').internalModuleReadJSON;
  } catch {
    return undefined;
  }
};

installOfProcess();
forget();
// Only worker threads have this property.
if (process.chdir.disabled) {
  const { ms, uptime } = require('worker_threads').getEnvironmentData(KEY) ?? age;
  setAge(ms, uptime);
  installOfPerformance(globalThis.performance);
} else {
  // The loader reads this property once it has read the whole program, and then calls the function.
  const { prototype } = module.constructor;
  const compile = getOwnPropertyDescriptor(prototype, '_compile');
  const read = reader();
  // The program's file has the same text as what the loader has read.
  const uses = (file) => {
    const text = read?.(file)?.[0];
    return typeof text !== 'string' || USES.test(text);
  };
  const begin = (file) => {
    if (uses(file)) {
      const { performance } = globalThis;
      const { setEnvironmentData } = require('worker_threads');
      setAge(performance.now(), process.uptime());
      installOfPerformance(performance);
      setEnvironmentData(KEY, age);
    } else {
      // Without `performance` it is not known when its clock began: a few milliseconds before.
      const uptime = process.uptime();
      setAge(uptime * 1e3, uptime);
      installWhenUsed();
    }
    moduleLoadList.length = loaded;
  };
  // What most programs need ahead of time, for they would wait until it is compiled.
  uses(__filename);
  setAge(process.uptime(), 0);
  setAge(0, 0);
  defineProperty(prototype, '_compile', {
    configurable: true,
    enumerable: compile.enumerable,
    get() {
      defineProperty(prototype, '_compile', compile);
      begin(this.filename);
      return compile.value;
    },
  });
}
