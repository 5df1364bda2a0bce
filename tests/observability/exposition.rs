//! Reads `GET /metrics` strictly as OpenMetrics.
//!
//! It refuses labels that could grow with what callers send.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

/// The permitted labels, each with a pattern of its values. All are Warren's own words.
const LABELS: [(&str, &str); 15] = [
    ("method", "^(GET|HEAD|POST|DELETE|OPTIONS|other)$"),
    ("route", "^(none|/[a-zA-Z{}/.]*)$"),
    ("status", "^([1-5]xx|gone|[a-z_]+)$"),
    ("code", "^[a-z_]+$"),
    ("language", "^(javascript|python|unknown)$"),
    ("verdict", "^[a-z_]+$"),
    ("told", "^(caller|store)$"),
    ("way", "^(executor|judge0)$"),
    ("result", "^[a-z_]+$"),
    ("stage", "^(queue|sandbox|run)$"),
    ("class", "^(interactive|unattended)$"),
    ("state", "^[a-z]+$"),
    ("service", "^[a-z -]+$"),
    ("why", "^[a-z_]+$"),
    ("le", r"^(\+Inf|[0-9.]+)$"),
];
/// The most samples of one process: a series costs Prometheus memory forever.
const MAX_SAMPLES: usize = 2_000;

/// Returns the names of all samples, and of the metrics that they belong to.
pub fn names(text: &str) -> BTreeSet<String> {
    let sample = Regex::new(r#"^([a-z_:][a-z0-9_:]*)(?:\{([^}]*(?:\{[^}]*\}[^}]*)*)\})? (\S+)$"#)
        .expect("a pattern");
    let label = Regex::new(r#"([a-z_]+)="((?:[^"\\]|\\.)*)""#).expect("a pattern");
    let allowed: BTreeMap<&str, Regex> = LABELS
        .into_iter()
        .map(|(name, value)| (name, Regex::new(value).expect("a pattern")))
        .collect();
    let (mut names, mut families, mut samples) = (BTreeSet::new(), BTreeMap::new(), 0);
    let mut lines = text.lines().peekable();
    let mut current = String::new();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert_eq!(lines.peek(), None, "nothing comes after the end");
            assert!(samples < MAX_SAMPLES, "{samples} samples");
            return names;
        }
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (kind, name, rest) = (words.next(), words.next(), words.next());
            let name = name.expect("a metric's name").to_owned();
            match kind {
                Some("HELP") => {
                    assert!(!families.contains_key(&name), "{name} is reported twice");
                    assert!(rest.is_some_and(|help| help.len() > 10), "{line}");
                    current = name;
                    families.insert(current.clone(), String::new());
                }
                Some("TYPE") => {
                    assert_eq!(name, current, "{line}");
                    families.insert(name, rest.expect("a type").to_owned());
                }
                Some("UNIT") => assert!(name.ends_with(rest.expect("a unit")), "{line}"),
                _ => panic!("neither help nor type nor unit: {line}"),
            }
            continue;
        }
        samples += 1;
        let parts = sample
            .captures(line)
            .unwrap_or_else(|| panic!("no sample: {line}"));
        let name = &parts[1];
        let suffix = name.strip_prefix(current.as_str());
        let suffixes: &[&str] = match families.get(&current).map(String::as_str) {
            Some("counter") => &["_total"],
            Some("gauge") => &[""],
            Some("histogram") => &["_bucket", "_sum", "_count"],
            other => panic!("{current} is a {other:?}: {line}"),
        };
        assert!(
            suffix.is_some_and(|suffix| suffixes.contains(&suffix)),
            "{line}"
        );
        let value: f64 = parts[3]
            .parse()
            .unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(value >= 0.0, "{line}");
        for pair in label.captures_iter(parts.get(2).map_or("", |labels| labels.as_str())) {
            let fits = allowed
                .get(&pair[1])
                .is_some_and(|value| value.is_match(&pair[2]));
            assert!(
                fits,
                "a label that callers may choose, or a new one: {line}"
            );
        }
        names.insert(name.to_owned());
    }
    panic!("cut off: there is no end");
}
