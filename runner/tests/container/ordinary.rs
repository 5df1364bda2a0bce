//! Ordinary programs, which must not notice the filter.

use warren_runner::wire::{Ending, Exit, ToRunner};

use crate::harness::{Container, Image, Job, internet_sockets, javascript, python};

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
        // On a file: record locks are real, also between processes, and many times in a row.
        "import os, sqlite3\nopened = sqlite3.connect('a.db', isolation_level=None, timeout=30)\nopened.execute('create table numbers(n)')\nfor n in range(500): opened.execute('insert into numbers values(?)', (n,))\nif os.fork() == 0:\n  other = sqlite3.connect('a.db', timeout=30); other.execute('begin immediate'); other.execute('insert into numbers values(1000)'); other.commit(); os._exit(0)\nos.wait()\nassert opened.execute('select count(*), max(n) from numbers').fetchone() == (501, 1000)\nprint('ok')",
        "import fcntl, os\nfile = open('a', 'w+'); fcntl.lockf(file, fcntl.LOCK_EX)\nif os.fork() == 0:\n  try: fcntl.lockf(open('a', 'w+'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n  except OSError as error: os._exit(error.errno)\n  os._exit(0)\nassert os.waitstatus_to_exitcode(os.wait()[1]) == 11\nfcntl.lockf(file, fcntl.LOCK_UN)\nprint('ok')",
        "import fcntl, os\nfor n in range(4):\n  if os.fork() == 0:\n    for _ in range(25):\n      with open('count', 'a+') as file:\n        fcntl.flock(file, fcntl.LOCK_EX); file.seek(0); count = int(file.read() or 0) + 1\n        file.truncate(0); file.write(str(count)); file.flush()\n    os._exit(0)\nfor n in range(4): os.wait()\nassert open('count').read() == '100'\nprint('ok')",
        "import os, sys\nassert not sys.stdin.isatty() and not sys.stdout.isatty()\ntry: input('')\nexcept EOFError: pass\ntry: os.get_terminal_size(1)\nexcept OSError: print('ok')",
        "import os, shutil\nos.makedirs('a/b'); open('a/b/c', 'w').write('x'); os.rename('a/b/c', 'a/c'); os.replace('a/c', 'd'); shutil.copy2('d', 'a/b/e'); shutil.move('a', 'f'); os.truncate('d', 0); os.utime('d', (1, 2))\nassert open('f/b/e').read() == 'x' and os.stat('d').st_mtime == 2\nopen('/dev/null', 'w').write('x'); assert len(open('/dev/urandom', 'rb').read(4)) == 4 and os.cpu_count() > 0\nopen('/dev/stderr', 'w').close(); open('/dev/stdout', 'w').write('ok\\n')",
        "import os, platform, pwd, ssl, time\nassert platform.system() == 'Linux' and os.listdir('/proc/self/fd') and os.listdir('/usr') and os.listdir('/dev') and os.getloadavg()\nassert open('/proc/meminfo').read() and open('/etc/passwd').read() and time.localtime()\nssl.create_default_context()\nprint('ok')",
        "import tempfile\nwith tempfile.TemporaryFile() as f:\n  f.write(b'ok'); f.seek(0); print(f.read().decode())",
        "import ctypes, mmap, random, secrets, uuid, hashlib, zlib, lzma, bz2, decimal, json, math, re, collections, datetime, heapq, itertools\nuuid.uuid4(); secrets.token_bytes(8); mmap.mmap(-1, 4096)\nprint('ok')",
        "import asyncio\nasync def answer(reader, writer): writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()\nasync def main():\n  async with await asyncio.start_unix_server(answer, '/tmp/a'):\n    reader, writer = await asyncio.open_unix_connection('/tmp/a'); writer.write(b'ok\\n'); assert await reader.read() == b'OK\\n'\n  print('ok')\nasyncio.run(main())",
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
        "const fs = require('fs/promises');\nfs.writeFile('a', 'ok').then(() => fs.readFile('a', 'utf8')).then(console.log);",
        "require('child_process').execFile('echo', ['ok'], (error, text) => process.stdout.write(text));",
        "console.log(require('child_process').spawnSync('echo', ['ok']).stdout.toString().trim());",
        "const net = require('net');\nconst server = net.createServer((socket) => socket.end('ok')).listen('/tmp/a', () => net.connect('/tmp/a').on('data', (text) => console.log(text.toString())).on('close', () => server.close()));",
        "const { fork } = require('child_process');\nif (process.argv[2]) { process.send('ok'); } else { fork('main.js', ['child']).on('message', (text) => console.log(text)); }",
        "const fs = require('fs');\nfs.mkdirSync('a/b', { recursive: true }); fs.writeFileSync('a/b/c', 'ok'); fs.renameSync('a/b/c', 'd'); fs.copyFileSync('d', 'e'); fs.cpSync('a', 'f', { recursive: true }); fs.rmSync('a', { recursive: true });\nfs.appendFileSync('/dev/null', 'x'); fs.readdirSync('/proc/self/fd'); fs.writeSync(1, fs.readFileSync('e', 'utf8') + '\\n');",
        // The machine's memory is larger than the container's.
        "const limit = require('v8').getHeapStatistics().heap_size_limit; console.log(limit < 300e6 ? 'ok' : limit);",
        // No name is known here, and asking for one does not hang.
        "require('dns').lookup('localhost', (error, address) => console.log(error ? 'ok' : address));",
        "const os = require('os'); os.cpus(); os.totalmem(); process.memoryUsage(); process.resourceUsage(); performance.now(); setImmediate(() => console.log('ok'));",
        "const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]); WebAssembly.instantiate(wasm).then(() => console.log('ok'));",
        "process.stdin.on('end', () => console.log('ok')).resume();",
    ];
    all_print_ok(Image::JavaScript, javascript, &sources);
}

#[test]
fn python_programs_talk_over_loopback() {
    if !internet_sockets() {
        return refused(Image::Python);
    }
    let sources = [
        "import asyncio\nasync def answer(reader, writer): writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()\nasync def main():\n  async with await asyncio.start_unix_server(answer, '/tmp/a'):\n    reader, writer = await asyncio.open_unix_connection('/tmp/a'); writer.write(b'ok\\n'); assert await reader.read() == b'OK\\n'\n  server = await asyncio.start_server(answer, '127.0.0.1', 0)\n  reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()); writer.write(b'ok\\n'); assert await reader.read() == b'OK\\n'\n  print('ok')\nasyncio.run(main())",
        "import socket, threading\nserver = socket.create_server(('127.0.0.1', 0))\nthreading.Thread(target=lambda: server.accept()[0].sendall(b'ok'), daemon=True).start()\nprint(socket.create_connection(server.getsockname()).recv(2).decode())",
    ];
    all_print_ok(Image::Python, python, &sources);
}

#[test]
fn node_programs_talk_over_loopback() {
    if !internet_sockets() {
        return refused(Image::JavaScript);
    }
    let sources = [
        "const server = require('http').createServer((_, answer) => answer.end('ok')).listen(0, '127.0.0.1', () => require('http').get({ host: '127.0.0.1', port: server.address().port }, (answer) => { answer.pipe(process.stdout); answer.on('end', () => { console.log(); server.close(); }); }));",
        "const dgram = require('dgram');\nconst socket = dgram.createSocket('udp4').on('message', (text) => { console.log(text.toString()); socket.close(); });\nsocket.bind(0, '127.0.0.1', () => { socket.setBroadcast(true); socket.setTTL(9); socket.setMulticastTTL(9); socket.setMulticastLoopback(true); socket.setRecvBufferSize(9999); socket.send('ok', socket.address().port, '127.0.0.1'); });",
        "const server = require('net').createServer((socket) => { socket.setNoDelay(true); socket.setKeepAlive(true, 9000); socket.end('ok'); }).listen(0, '::1', () => require('net').connect(server.address().port, '::1').setNoDelay(true).on('data', (text) => console.log(text.toString())).on('close', () => server.close()));",
    ];
    all_print_ok(Image::JavaScript, javascript, &sources);
}

/// Runs a program that asks for an internet socket, and expects an error that says that there is none.
fn refused(image: Image) {
    let job = match image {
        Image::Python => python(
            "import socket\ntry: socket.socket()\nexcept OSError as error: print(error.strerror)",
        ),
        Image::JavaScript => javascript(
            "require('net').createServer().on('error', (error) => console.log(error.code)).listen(0, '127.0.0.1');",
        ),
    };
    let report = Container::start(image).run(job);
    let expected: &[u8] = match image {
        Image::Python => b"Address family not supported by protocol\n",
        Image::JavaScript => b"EAFNOSUPPORT\n",
    };
    assert_eq!(report.stdout.bytes, expected);
}
