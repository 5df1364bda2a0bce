// Starts the clocks of a parked Node.js with its program, instead of with its process.
//
// A parked process may be minutes old when its program begins, but `performance.now()` and
// `process.uptime()` count from the process's start. This file is preloaded (by NODE_OPTIONS) before
// the interpreter waits. It sets the clocks when the program is about to be compiled, and leaves
// nothing else behind that a program looks at. In Node.js 18 `performance.now()`, marks, measures and events all read
// `process.hrtime()`, so that they move with it. Worker threads have the clocks of their program.
'use strict';

// The modules that a program finds loaded are those of this moment.
const { moduleLoadList } = process;
const loaded = moduleLoadList.length;
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf, keys } = Object;
const { getEnvironmentData, setEnvironmentData } = require('worker_threads');
const { performance } = globalThis;

// The key under which worker threads find the age of the process at which its program began: in
// milliseconds since `timeOrigin`, and in seconds by `process.uptime()`, which begins a little later.
const KEY = 'warren.parked';
const age = { ms: 0, uptime: 0 };

// The same in the units of `process.hrtime()`.
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

const install = () => {
  const { bigint } = process.hrtime;
  const property = getOwnPropertyDescriptor(process.hrtime, 'bigint');
  const hrtime = replace(process, 'hrtime', (original) => (time) => {
    const read = original(time);
    const rest = read[1] - nanoseconds;
    return rest < 0 ? [read[0] - seconds - 1, rest + 1e9] : [read[0] - seconds, rest];
  });
  defineProperty(hrtime, 'bigint', { ...property, value: like(bigint, () => bigint() - all) });
  replace(process, 'uptime', (original) => () => original() - age.uptime);

  // Newer versions read another clock: then setting this one by an hour makes no difference.
  seconds = 3600;
  const follows = performance.now() < 0;
  seconds = 0;
  if (!follows) {
    const clock = owner(performance, 'now');
    replace(clock, 'now', (original) => () => original.call(performance) - age.ms);
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
      if (at > age.ms) return at - age.ms;
      return at < 0 ? at : at / age.ms / 1e3;
    });
    defineProperty(nodeTiming, name, { ...property, get: moved });
  }

  const origin = performance.timeOrigin;
  const home = owner(performance, 'timeOrigin');
  return (ms, uptime) => {
    setAge(ms, uptime);
    defineProperty(home, 'timeOrigin', { value: origin + ms });
  };
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

const set = install();
forget();
const begin = () => set(performance.now(), process.uptime());
// Only worker threads have this property.
if (process.chdir.disabled) {
  const { ms, uptime } = getEnvironmentData(KEY) ?? age;
  set(ms, uptime);
} else {
  setEnvironmentData(KEY, age);
  // Once ahead of time, for the program would wait until this is compiled; then back.
  begin();
  set(0, 0);
  // The loader reads this property once it has read the whole program, and then calls the function.
  const { prototype } = module.constructor;
  const compile = getOwnPropertyDescriptor(prototype, '_compile');
  defineProperty(prototype, '_compile', {
    configurable: true,
    enumerable: compile.enumerable,
    get() {
      defineProperty(prototype, '_compile', compile);
      moduleLoadList.length = loaded;
      begin();
      return compile.value;
    },
  });
}
