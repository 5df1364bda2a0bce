//! Interpreters parked ahead of their program.
//!
//! No program can tell the difference, and a fresh interpreter replaces a parked one that fails.

use std::time::Duration;

use warren_runner::wire::{Command, Ending, Exit, FromRunner, Park, RunReport, Start, ToRunner};

use crate::harness::{Container, Image, Job, javascript, python};

/// Starts a program both ways, each in a container of its own.
fn fresh_and_parked(image: Image, job: impl Fn() -> Job) -> [RunReport; 2] {
    let fresh = Container::start(image).run(job());
    let mut container = Container::start(image);
    container.park(&job());
    let parked = container.run(job().start(Start::Parked));
    assert_eq!(container.next(), FromRunner::Done);
    [fresh, parked]
}

/// Returns how a run ended and what it printed.
fn seen(report: &RunReport) -> (Ending, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (&report.stdout.bytes, &report.stderr.bytes);
    (report.ending, text(stdout), text(stderr))
}

fn same(image: Image, program: fn(&str) -> Job, sources: &[&str]) {
    for source in sources {
        let [fresh, parked] = fresh_and_parked(image, || program(source).input("one\ntwo\n"));
        assert_eq!(seen(&fresh), seen(&parked), "{source}");
    }
}

#[test]
fn a_python_program_cannot_tell_that_its_interpreter_waited_for_it() {
    let all_that_shows = "import os, sys, stat\n\
        print(__name__, __file__, sys.argv, sys.path, sys.flags, sorted(sys.modules), sorted(globals()))\n\
        print(os.listdir('.'), sorted(os.environ.items()), os.getcwd(), os.umask(0), os.nice(0))\n\
        print([os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in os.listdir('/proc/self/fd')[:-1]])\n\
        print(len([p for p in os.listdir('/proc') if p.isdigit()]), os.getppid(), os.getsid(0) == os.getpid())\n\
        me = os.stat('main.py')\n\
        print(oct(me.st_mode), me.st_size, me.st_nlink, me.st_uid, open('main.py').read())\n\
        print(open('/proc/self/cmdline').read(), open('/proc/self/limits').read())\n\
        print(open('/proc/self/oom_score_adj').read())\n\
        import select; print(select.select([0], [], [], 0)[0], input(), sys.stdin.read())";
    same(
        Image::Python,
        python,
        &[
            all_that_shows,
            "",
            "import traceback\ndef f(n):\n    return 1 / n\nf(0)",
            "print('before')\nif True print()",
            "print('\u{e9}\u{4f60}')\n\u{fe}\u{ff} = 1\nprint(\u{fe}\u{ff})",
            "\u{feff}print('a byte order mark')",
            "print('no newline at the end', end='')\nraise SystemExit(7)",
            "print('lines')\r\nprint('of Windows')\r\n",
            "# -*- coding: utf-8 -*-\nprint('\u{e9}')",
            "print(1)\n\0print(2)",
            "if 1:\n\tprint(1)\n        print(2)",
            "print('a' 'b\n",
            "import main\nprint('imported', main.__file__)",
            "import inspect, linecache\ndef f(): pass\nprint(inspect.getsource(f), linecache.getline(__file__, 1))",
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        ],
    );
}

#[test]
fn a_node_program_cannot_tell_that_its_interpreter_waited_for_it() {
    let all_that_shows = "const fs = require('fs');\n\
        console.log(__filename, __dirname, process.argv, process.execArgv, process.env, process.title);\n\
        console.log(require.main === module, module.paths, Object.keys(require.cache), module.id, module.loaded);\n\
        console.log(fs.readdirSync('.'), fs.readdirSync('/proc').filter(name => /^\\d+$/.test(name)).length);\n\
        console.log(fs.readdirSync('/proc/self/fd').slice(0, 3), process.ppid, process.umask(0));\n\
        const me = fs.statSync(__filename);\n\
        console.log(me.mode.toString(8), me.size, me.nlink, me.isFile(), fs.readFileSync(__filename, 'utf8'));\n\
        console.log(fs.readFileSync('/proc/self/limits', 'utf8'), fs.readFileSync('/proc/self/cmdline', 'utf8'));\n\
        console.log(fs.readFileSync(0, 'utf8'));";
    same(
        Image::JavaScript,
        javascript,
        &[
            all_that_shows,
            "",
            "function f() {\n  null.x;\n}\nf();",
            "console.log('before');\nlet let = 1;",
            "console.log(1);\n\0console.log(2);",
            "Promise.reject(new Error('unhandled'));",
            "setTimeout(() => process.exit(9), 1);",
            "#!/usr/bin/env node\nconsole.log('\u{e9}\u{4f60}', new Error('x').stack)",
            "\u{feff}console.log('a byte order mark')",
            "process.stdin.on('data', d => process.stdout.write(d)).on('end', () => console.log('end'));",
            "process.kill(process.pid, 'SIGSEGV'); for (;;);",
        ],
    );
}

#[test]
fn a_program_longer_than_the_fifo_holds_arrives_complete() {
    let mut code = "# a long line that says nothing much\n".repeat(8000);
    code.push_str("print('end')");
    let [fresh, parked] = fresh_and_parked(Image::Python, || python(&code));
    assert_eq!(seen(&fresh), seen(&parked));
    assert_eq!(parked.stdout.bytes, b"end\n");
    // It need not be read to its end.
    let wrong = format!("if print\n{code}");
    let [fresh, parked] = fresh_and_parked(Image::Python, || python(&wrong));
    assert_eq!(seen(&fresh), seen(&parked));
}

#[test]
fn a_program_is_charged_for_its_interpreters_memory_but_not_its_start() {
    for (image, job) in [
        (Image::Python, python("print('x')")),
        (Image::JavaScript, javascript("console.log('x')")),
    ] {
        let [fresh, parked] = fresh_and_parked(image, || job.clone());
        println!(
            "{image:?} fresh {:?} {:?} {}",
            fresh.wall, fresh.cpu, fresh.memory
        );
        println!(
            "{image:?} parked {:?} {:?} {}",
            parked.wall, parked.cpu, parked.memory
        );
        assert!(parked.cpu < fresh.cpu, "{:?} {:?}", parked.cpu, fresh.cpu);
        assert!(parked.memory > fresh.memory / 2);
        assert!(parked.memory < fresh.memory * 2);
    }
}

#[test]
fn time_spent_parked_is_not_charged_to_the_program() {
    const LIMIT: Duration = Duration::from_secs(5);
    let job = || python("import time\ntime.sleep(0.1)").time_limit(LIMIT);
    let mut container = Container::start(Image::Python);
    container.park(&job());
    // Longer than the program may take.
    std::thread::sleep(LIMIT + Duration::from_millis(500));
    let report = container.run(job().start(Start::Parked));
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)));
    assert!(report.wall < LIMIT, "{:?}", report.wall);
}

#[test]
fn only_the_first_run_uses_the_parked_interpreter() {
    let mut container = Container::start(Image::Python);
    let job = python("import os\nprint(input(), os.listdir('.'), len([p for p in os.listdir('/proc') if p.isdigit()]))\nopen('left', 'w')")
        .inputs(&["a", "b", "c"]);
    container.park(&job);
    container.send(&ToRunner::Execute(job.start(Start::Parked).execute));
    for name in ["a", "b", "c"] {
        let expected = format!("{name} ['main.py'] 2\n");
        let stdout = container.finished().stdout.bytes;
        assert_eq!(String::from_utf8_lossy(&stdout), expected);
    }
    assert_eq!(container.next(), FromRunner::Done);
}

/// Prints which process it is, and what else is there.
const LOOK: &str = "import os\nprint(os.getpid(), os.listdir('.'), len([p for p in os.listdir('/proc') if p.isdigit()]))";

/// Returns whether the job was run by the interpreter that was parked for another. Checks that it
/// ran correctly either way. `then` may act on the parked one in between.
fn is_run_by_the_parked(parked: &Job, then: impl FnOnce(&Container, u32), job: Job) -> bool {
    let mut container = Container::start(Image::Python);
    container.park(parked);
    let waiting = container.program();
    then(&container, waiting);
    let report = container.run(job);
    assert_eq!(container.next(), FromRunner::Done);
    let (ending, stdout, stderr) = seen(&report);
    assert_eq!(ending, Ending::Ended(Exit::Status(0)), "{stderr}");
    let (pid, rest) = stdout.split_once(' ').unwrap();
    assert_eq!(rest, "['main.py'] 2\n");
    pid == waiting.to_string()
}

#[test]
fn the_parked_interpreter_runs_the_job_that_it_was_parked_for_and_no_other() {
    let parked = python(LOOK).start(Start::Parked);
    assert!(is_run_by_the_parked(&parked, |_, _| {}, parked.clone()));

    let fresh = python(LOOK).start(Start::Fresh);
    assert!(!is_run_by_the_parked(&parked, |_, _| {}, fresh));

    let mut other = parked.clone();
    other.execute.command.args.insert(1, "-B".to_owned());
    assert!(!is_run_by_the_parked(&parked, |_, _| {}, other));
}

#[test]
fn a_parked_interpreter_that_died_is_replaced() {
    let job = python(LOOK).start(Start::Parked);
    assert!(!is_run_by_the_parked(&job, Container::kill, job.clone()));

    // An empty program: no failed write would reveal that nobody was there to read it.
    let job = python("").start(Start::Parked);
    let mut container = Container::start(Image::Python);
    container.park(&job);
    container.kill(container.program());
    assert_eq!(container.run(job).ending, Ending::Ended(Exit::Status(0)));
}

#[test]
fn a_source_that_no_fifo_can_hold_is_run_by_a_fresh_interpreter() {
    // Python goes back to the beginning of a file that names its encoding.
    let mut job = python("").start(Start::Fresh);
    job.execute.code = b"# coding: latin-1\nprint(ascii('\xe9'))\n".to_vec();
    let mut container = Container::start(Image::Python);
    container.park(&job);
    let report = container.run(job);
    assert_eq!(seen(&report).1, "'\\xe9'\n", "{:?}", seen(&report));
}

#[test]
fn a_command_that_does_not_wait_for_its_source_cannot_be_parked() {
    for (command, why) in [
        (vec!["true"], "ended (exit status: 0)"),
        (vec!["sh", "-c", "kill -9 $$"], "ended (signal: 9"),
        (vec!["sleep", "60"], "did not open its source file"),
        (vec!["python9", "main.py"], "failed to start `python9`"),
    ] {
        let mut container = Container::start(Image::Python);
        container.send(&ToRunner::Park(Park {
            command: Command {
                args: command.iter().copied().map(str::to_owned).collect(),
                file_name: "main.py".to_owned(),
                pipe_size: 65536,
            },
            environment: Vec::new(),
        }));
        let FromRunner::Failed { reason } = container.next() else {
            panic!("{command:?} was parked");
        };
        assert!(reason.contains(why), "{reason}");
        assert!(!container.wait().success());
    }
}

#[test]
fn messages_out_of_turn_are_refused() {
    let job = || python("print(input())").inputs(&["a", "b"]);
    let park = || ToRunner::Park(job().park());
    let execute = |job: Job| ToRunner::Execute(job.execute);
    let twice = [park(), park()];
    let in_its_midst = [execute(job().stepwise()), park()];
    let no_job = [park(), ToRunner::Continue];
    for messages in [twice, in_its_midst, no_job] {
        let mut container = Container::start(Image::Python);
        messages.iter().for_each(|message| container.send(message));
        let mut last = container.next();
        while !matches!(last, FromRunner::Failed { .. }) {
            assert_ne!(last, FromRunner::Done, "{messages:?}");
            last = container.next();
        }
        assert!(!container.wait().success());
    }
    let mut container = Container::start(Image::Python);
    container.send(&ToRunner::Continue);
    assert!(matches!(container.next(), FromRunner::Failed { .. }));
}

#[test]
fn a_parked_container_ends_with_its_worker_and_with_its_life() {
    let mut container = Container::start(Image::Python);
    container.park(&python(""));
    assert!(container.close().success());
    assert!(container.is_silent());

    // While it is still starting up.
    let mut container = Container::start(Image::JavaScript);
    container.send(&ToRunner::Park(javascript("").park()));
    assert!(container.close().success());

    let mut container = Container::start_for(Image::Python, Duration::from_secs(10));
    container.park(&python(""));
    assert!(!container.wait().success());
}
