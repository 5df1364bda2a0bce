//! A report as a person reads it, in Markdown.

use std::fmt::Write;

use super::broker::Broker;
use super::latency::Latency;
use super::report::Report;
use super::statistics::Summary;
use super::sustained::Throughput;
use super::systems::SystemName;
use super::table::{Table, ms, ratio};

/// Formats the whole report.
pub fn render(report: &Report) -> String {
    let mut text = head(report);
    let gap = report.plan.gap.as_millis();
    let _ = write!(
        text,
        "\n### One job at a time\n\nMilliseconds from asking to the whole answer, and CPU milliseconds of the whole \
         machine for each job. Warm: at least {gap} ms between Warren's jobs.\n\n{}",
        one_at_a_time(&report.one_at_a_time)
    );
    let _ = write!(
        text,
        "\n### Where Warren's time goes\n\nMeans in milliseconds: the parts add up to the whole. \"Around\" is what \
         is not in the answer's `timings`: HTTP, validation, and the reply's way back. `queueMs` has whole \
         milliseconds.\n\n{}",
        phases(&report.one_at_a_time)
    );
    if let Some(plan) = &report.plan.sustained {
        let _ = write!(
            text,
            "\n### Jobs a second, hello\n\nSo many callers at a time, each asking again as soon as it has its answer; \
             counted for {} s ({} s at the highest number), after {} s that are not counted.\n\n{}",
            plan.window.as_secs(),
            plan.top_window.as_secs(),
            plan.ramp.as_secs(),
            sustained(&report.sustained)
        );
    }
    if !report.broker.is_empty() {
        let _ = write!(
            text,
            "\n### The broker alone\n\nMilliseconds for a persistent, confirmed message of {} bytes to a queue and \
             one back on a transient one.\n\n{}",
            report.broker.first().map_or(0, |line| line.message_bytes),
            broker(&report.broker)
        );
    }
    if !report.troubles.is_empty() {
        text.push_str("\n### Why jobs failed (the first of them)\n\n");
        for trouble in &report.troubles {
            let _ = writeln!(text, "- {}", trouble.replace('\n', " "));
        }
    }
    text
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "## Warren {} ({} build)\n\n- machine: {}, {} cores, Linux {}\n- Docker: {}\n- between API and worker: {}\n\
         - `docker run`: `{}`\n",
        report.version,
        report.build,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.docker,
        report.queue,
        report.docker_run,
    );
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn one_at_a_time(cells: &[Latency]) -> String {
    let mut table = Table::new(
        3,
        &[
            "language",
            "job",
            "system",
            "p50",
            "p95",
            "p99",
            "p50 ÷ Warren's",
            "p99 ÷ Warren's",
            "CPU",
            "jobs",
            "errors",
        ],
    );
    for cell in cells {
        let warren = cells.iter().find(|other| {
            other.system == SystemName::Warren
                && (other.workload, other.language) == (cell.workload, cell.language)
        });
        let (p50, p99) = warren.map_or((0.0, 0.0), |cell| (cell.times.p50_ms, cell.times.p99_ms));
        table.row([
            cell.language.to_owned(),
            cell.workload.name().to_owned(),
            cell.system.name().to_owned(),
            time(&cell.times, cell.times.p50_ms),
            time(&cell.times, cell.times.p95_ms),
            time(&cell.times, cell.times.p99_ms),
            ratio(cell.times.p50_ms, p50),
            ratio(cell.times.p99_ms, p99),
            ms(cell.cpu_ms_per_job),
            cell.times.samples.to_string(),
            cell.errors.to_string(),
        ]);
    }
    table.render()
}

/// Formats a measured time; a dash if no job succeeded.
fn time(times: &Summary, value: f64) -> String {
    if times.samples == 0 {
        "-".to_owned()
    } else {
        ms(value)
    }
}

fn phases(cells: &[Latency]) -> String {
    let mut table = Table::new(
        2,
        &[
            "language", "job", "whole", "around", "queue", "sandbox", "run",
        ],
    );
    for cell in cells {
        let Some(phases) = cell.phases else { continue };
        let times = [
            cell.times.mean_ms,
            phases.around_ms,
            phases.queue_ms,
            phases.sandbox_ms,
            phases.run_ms,
        ];
        let names = [cell.language.to_owned(), cell.workload.name().to_owned()];
        table.row(names.into_iter().chain(times.map(ms)));
    }
    table.render()
}

fn sustained(cells: &[Throughput]) -> String {
    let mut table = Table::new(
        3,
        &[
            "language",
            "at a time",
            "system",
            "jobs/s",
            "Warren's ÷ it",
            "CPU/job",
            "p50",
            "p95",
            "p99",
            "jobs",
            "errors",
        ],
    );
    for cell in cells {
        let warren = cells.iter().find(|other| {
            other.system == SystemName::Warren
                && (other.language, other.concurrency) == (cell.language, cell.concurrency)
        });
        table.row([
            cell.language.to_owned(),
            cell.concurrency.to_string(),
            cell.system.name().to_owned(),
            format!("{:.1}", cell.jobs_per_second),
            ratio(
                warren.map_or(0.0, |cell| cell.jobs_per_second),
                cell.jobs_per_second,
            ),
            ms(cell.cpu_ms_per_job),
            time(&cell.times, cell.times.p50_ms),
            time(&cell.times, cell.times.p95_ms),
            time(&cell.times, cell.times.p99_ms),
            cell.times.samples.to_string(),
            cell.errors.to_string(),
        ]);
    }
    table.render()
}

fn broker(lines: &[Broker]) -> String {
    let mut table = Table::new(2, &["queue", "what", "p50", "p95", "p99", "messages"]);
    for line in lines {
        for (what, times) in [
            ("delivered", line.delivery),
            ("confirmed", line.confirm),
            ("there and back", line.round_trip),
        ] {
            table.row([
                line.queue.name().to_owned(),
                what.to_owned(),
                format!("{:.2}", times.p50_ms),
                format!("{:.2}", times.p95_ms),
                format!("{:.2}", times.p99_ms),
                times.samples.to_string(),
            ]);
        }
    }
    table.render()
}
