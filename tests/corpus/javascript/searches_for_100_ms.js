// Searches until its own clock says so, as programs with a budget of time do.
const begun = Date.now();
let tries = 0;
while (performance.now() < 100 && process.uptime() < 100) tries++;
console.log(tries > 0, Date.now() - begun >= 50, performance.timeOrigin <= begun);
