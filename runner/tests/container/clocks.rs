//! The clocks of parked interpreters.
//!
//! They start with the program, however long its interpreter has waited for it.

use std::time::Duration;

use warren_runner::wire::{Ending, Exit, RunReport, Start};

use crate::harness::{Container, Image, Job, javascript, python};

/// Runs a program in an interpreter that has been parked for at least that long.
fn after(image: Image, job: Job, parked: Duration) -> RunReport {
    let mut container = Container::start(image);
    container.park(&job);
    std::thread::sleep(parked);
    container.run(job.start(Start::Parked))
}

/// Returns the output of a run that must have succeeded.
#[track_caller]
fn output(report: &RunReport) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stderr = text(&report.stderr.bytes);
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)), "{stderr}");
    text(&report.stdout.bytes)
}

#[test]
fn the_clocks_of_node_start_with_its_program_and_not_with_its_process() {
    const PARKED: Duration = Duration::from_secs(8);
    let waited = PARKED.as_millis().to_string();
    let job = javascript(&include_str!("clocks.js").replace("WAITED", &waited))
        .time_limit(Duration::from_secs(60));
    let stdout = output(&after(Image::JavaScript, job, PARKED));
    assert!(stdout.starts_with("as if it had just started"), "{stdout}");
}

/// The clocks of `performance` are loaded late. This program shows by no word that it will use them.
#[test]
fn clocks_that_a_program_comes_upon_unannounced_start_with_it_too() {
    const PARKED: Duration = Duration::from_secs(8);
    let code = "const W = WAITED, clock = globalThis['per' + 'formance'];\n\
        const begun = [clock.now(), process.uptime() * 1e3, new Event('e').timeStamp];\n\
        const { nodeTiming, timeOrigin } = clock;\n\
        console.log(begun.every((at) => at >= 0 && at < W),\n\
          Math.abs(Date.now() - timeOrigin - clock.now()) < W / 2, clock.toJSON().timeOrigin === timeOrigin,\n\
          nodeTiming.nodeStart >= 0 && nodeTiming.bootstrapComplete <= clock.now(), begun, timeOrigin);";
    let code = code.replace("WAITED", &PARKED.as_millis().to_string());
    let job = javascript(&code).time_limit(Duration::from_secs(60));
    let stdout = output(&after(Image::JavaScript, job, PARKED));
    assert!(stdout.starts_with("true true true true "), "{stdout}");
}

#[test]
fn a_search_until_a_time_by_the_clock_searches_for_that_time() {
    const UNTIL: f64 = 800.0;
    // Longer than the search is to take.
    const PARKED: Duration = Duration::from_secs(3);
    let code = format!(
        "const begun = Date.now();\nlet n = 0;\nwhile (performance.now() < {UNTIL}) n++;\n\
         console.log(n > 0, Date.now() - begun);"
    );
    let report = after(Image::JavaScript, javascript(&code), PARKED);
    let stdout = output(&report);
    assert!(stdout.starts_with("true "), "{stdout}");
    // The runner's own clock of the run agrees: the search began when the run did.
    assert!(
        report.wall >= Duration::from_secs_f64(UNTIL / 2e3),
        "{:?}",
        report.wall
    );
}

#[test]
fn python_counts_no_cpu_time_of_its_waiting() {
    let code = "import time, os, resource\n\
        u = resource.getrusage(resource.RUSAGE_SELF)\n\
        print(time.process_time(), time.thread_time(), sum(os.times()[:2]), u.ru_utime + u.ru_stime)";
    const PARKED: Duration = Duration::from_secs(3);
    let clocks = |report: &RunReport| -> Vec<f64> {
        let stdout = output(report);
        stdout
            .split_whitespace()
            .map(|n| n.parse().unwrap())
            .collect()
    };
    let fresh = clocks(&Container::start(Image::Python).run(python(code)));
    let parked = clocks(&after(Image::Python, python(code), PARKED));
    // Both have started up, and neither has done anything else: a wait is no CPU time.
    for (fresh, parked) in fresh.iter().zip(&parked) {
        assert!(
            *parked < fresh + PARKED.as_secs_f64() / 2.0,
            "{fresh} {parked}"
        );
    }
}
