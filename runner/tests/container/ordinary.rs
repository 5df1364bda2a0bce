//! Ordinary programs, which must not notice the filter.

use warren_runner::wire::{Ending, Exit, ToRunner};

use crate::harness::{Container, Image, Job, javascript, python};

/// Runs each and expects it to end well and print `ok`.
fn all_print_ok(image: Image, program: fn(&str) -> Job, sources: &[&str]) {
    for source in sources {
        let mut container = Container::start(image);
        container.send(&ToRunner::Execute(program(source).execute));
        let report = container.finished();
        let stderr = String::from_utf8_lossy(&report.stderr.bytes);
        assert_eq!(
            report.ending,
            Ending::Ended(Exit::Status(0)),
            "{source}\n{stderr}"
        );
        assert_eq!(report.stdout.bytes, b"ok\n", "{source}\n{stderr}");
    }
}

#[test]
fn python_programs_find_what_they_need() {
    let sources = [
        "import asyncio\nasync def main():\n  await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(50)))\nasyncio.run(main())\nprint('ok')",
        "import threading\nresults = []\nthreads = [threading.Thread(target=results.append, args=(n,)) for n in range(20)]\n[t.start() for t in threads]; [t.join() for t in threads]\nassert sorted(results) == list(range(20))\nprint('ok')",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(8) as pool: assert sum(pool.map(lambda n: n * n, range(100))) == 328350\nprint('ok')",
        "import subprocess\nprint(subprocess.run(['echo', 'ok'], capture_output=True, text=True).stdout, end='')",
        "import os\nif os.fork() == 0: print('ok', flush=True); os._exit(0)\nos.wait()",
        "import sqlite3\nprint(sqlite3.connect(':memory:').execute(\"select 'ok'\").fetchone()[0])",
        "import tempfile\nwith tempfile.TemporaryFile() as f:\n  f.write(b'ok'); f.seek(0); print(f.read().decode())",
        "import ctypes, mmap, random, secrets, uuid, hashlib, zlib, lzma, bz2, decimal, json, math, re, collections, datetime, heapq, itertools\nuuid.uuid4(); secrets.token_bytes(8); mmap.mmap(-1, 4096)\nprint('ok')",
        "import socket, threading\nserver = socket.create_server(('127.0.0.1', 0))\nthreading.Thread(target=lambda: server.accept()[0].sendall(b'ok'), daemon=True).start()\nprint(socket.create_connection(server.getsockname()).recv(2).decode())",
        "import signal, time\nsignal.signal(signal.SIGALRM, lambda *_: print('ok'))\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\ntime.sleep(0.3)",
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\nsys.setrecursionlimit(5000)\ndef f(n): return n and f(n - 1)\nf(4000)\nprint('ok')",
    ];
    all_print_ok(Image::Python, python, &sources);
}

#[test]
fn node_programs_find_what_they_need() {
    let sources = [
        "const { Worker } = require('worker_threads');\nnew Worker(\"require('worker_threads').parentPort.postMessage('ok')\", { eval: true }).on('message', console.log);",
        "require('crypto').scrypt('a', 'b', 32, (error) => { if (error) throw error; console.log('ok'); });",
        "require('zlib').gzip('x'.repeat(1e5), (error, zipped) => require('zlib').gunzip(zipped, (error, text) => console.log(text.length === 1e5 ? 'ok' : 'bad')));",
        "const server = require('http').createServer((_, answer) => answer.end('ok')).listen(0, '127.0.0.1', () => require('http').get({ host: '127.0.0.1', port: server.address().port }, (answer) => { answer.pipe(process.stdout); answer.on('end', () => { console.log(); server.close(); }); }));",
        "const fs = require('fs/promises');\nfs.writeFile('a', 'ok').then(() => fs.readFile('a', 'utf8')).then(console.log);",
        "require('child_process').execFile('echo', ['ok'], (error, text) => process.stdout.write(text));",
        "console.log(require('child_process').spawnSync('echo', ['ok']).stdout.toString().trim());",
        // No name is known here, and asking for one does not hang.
        "require('dns').lookup('localhost', (error, address) => console.log(error ? 'ok' : address));",
        "const os = require('os'); os.cpus(); os.totalmem(); process.memoryUsage(); process.resourceUsage(); performance.now(); setImmediate(() => console.log('ok'));",
        "const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]); WebAssembly.instantiate(wasm).then(() => console.log('ok'));",
        "process.stdin.on('end', () => console.log('ok')).resume();",
    ];
    all_print_ok(Image::JavaScript, javascript, &sources);
}
