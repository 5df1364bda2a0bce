// Compares its clocks with each other. `WAITED` is the time in milliseconds for which its interpreter
// has waited at least. Prints which expectations do not hold.
const begun = [performance.now(), process.uptime() * 1e3];
const { Worker } = require('worker_threads');
const { performance: hooks } = require('perf_hooks');
const wrong = [];
const must = (holds, what) => { if (!holds) wrong.push(what); };
must(begun[0] < WAITED && begun[0] >= 0, 'performance.now');
must(begun[1] < WAITED && begun[1] >= 0, 'process.uptime');
must(hooks === performance, 'one performance');
must(Math.abs(Date.now() - performance.timeOrigin - performance.now()) < WAITED / 2, 'timeOrigin');
must(performance.toJSON().timeOrigin === performance.timeOrigin, 'toJSON');
must(performance.mark('a').startTime < WAITED, 'mark');
must(performance.measure('b', 'a').duration < WAITED, 'measure');
must(new Event('e').timeStamp < WAITED, 'timeStamp');
const { nodeTiming } = performance;
must(nodeTiming.duration < WAITED, 'duration');
for (const name of ['nodeStart', 'v8Start', 'environment', 'bootstrapComplete'])
  must(nodeTiming[name] >= 0 && nodeTiming[name] <= performance.now(), name);
must(nodeTiming.loopStart === -1, 'loopStart');
const cpu = process.cpuUsage();
must(cpu.user + cpu.system > 0, 'cpuUsage');
const [first, large] = [process.hrtime(), process.hrtime.bigint()];
const rest = process.hrtime(first);
must(rest[0] * 1e9 + rest[1] < WAITED * 1e6, 'hrtime');
must(Math.abs(Number(large) - (first[0] * 1e9 + first[1])) < WAITED * 1e6, 'bigint');
for (const [object, name] of [[process, 'hrtime'], [process, 'uptime'], [process.hrtime, 'bigint']]) {
  const { value, ...rest } = Object.getOwnPropertyDescriptor(object, name);
  must(Object.values(rest).join() === 'true,true,true', name + ' as a property');
  must(typeof value === 'function', name);
}
must([process.hrtime.name, process.hrtime.length, process.uptime.name].join() === 'hrtime,1,uptime', 'names');
must(process.env.NODE_OPTIONS === undefined && process.execArgv.length === 0, 'options');
must(Object.keys(require.cache).join() === __filename, 'cache');
must(!Object.keys(module.constructor._pathCache).join().includes('.warren'), 'paths');
const { value: compile } = Object.getOwnPropertyDescriptor(module.constructor.prototype, '_compile');
must(typeof compile === 'function', 'compile');
const [now, nanoseconds] = [performance.now(), process.hrtime.bigint()];
const inWorker = `const { parentPort: port, workerData: data } = require('worker_threads');
  port.postMessage([performance.now() - data[0], Number(process.hrtime.bigint() - data[1]) / 1e6,
    performance.timeOrigin, process.uptime() * 1e3 - data[0], require('perf_hooks').performance.now()]);`;
const worker = new Worker(inWorker, { eval: true, workerData: [now, nanoseconds] });
worker.on('message', ([later, byBigint, origin, up, hooked]) => {
  const since = performance.now() - now;
  for (const span of [later, byBigint, up]) must(span > -100 && span <= since + 100, 'a worker at ' + span);
  must(hooked <= performance.now(), 'hooks of a worker');
  must(Math.abs(origin - performance.timeOrigin) < WAITED / 2, 'timeOrigin of a worker');
  const start = performance.now();
  setTimeout(() => {
    const took = performance.now() - start;
    must(took >= 299 && took < 300 + WAITED, 'a timer of ' + took);
    must(nodeTiming.loopStart > 0 && nodeTiming.loopStart < performance.now(), 'the loop');
    const { active, idle } = performance.eventLoopUtilization();
    must(active >= 0 && active + idle <= performance.now(), 'eventLoopUtilization');
    console.log(wrong.length ? wrong.join('; ') : 'as if it had just started', begun);
  }, 300);
});
