//! The contributor's kit: make's targets, scripts, and the required version of Rust.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cargo_metadata::{MetadataCommand, semver::Version};
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let captures = pattern.captures_iter(text);
    captures.map(|found| found[1].to_owned()).collect()
}

/// Returns the targets that the Makefile defines.
fn targets() -> BTreeSet<String> {
    found(r"(?m)^([a-z0-9][a-z0-9-]*|\.env):", &read("Makefile"))
}

fn markdown(below: &Path, into: &mut Vec<PathBuf>) {
    const FOREIGN: [&str; 4] = ["target", "node_modules", ".git", "fixtures"];
    for entry in fs::read_dir(below).expect("a directory").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
            markdown(&path, into);
        } else if name.ends_with(".md") {
            into.push(path);
        }
    }
}

#[test]
fn every_make_target_that_a_document_names_exists() {
    let targets = targets();
    let mut documents = vec![];
    markdown(root(), &mut documents);
    for other in [".github/workflows/ci.yml", ".ci/run", "scripts/pre-commit"] {
        documents.push(root().join(other));
    }
    let mut named = 0;
    for document in documents {
        // In prose a target stands in backticks; in code blocks and scripts it begins a command.
        let text = read(&document);
        let pattern = r"(?m)(?:`|^\s*\$? ?|run: |exec |&& )make (\.?[a-z][a-z0-9-]*)";
        for target in found(pattern, &text) {
            named += 1;
            let name = document.display();
            assert!(
                targets.contains(&target),
                "{name} names `make {target}`, which the Makefile has not"
            );
        }
    }
    assert!(named >= 4, "only {named} targets were found in documents");
}

#[test]
fn every_target_is_phony_and_explained() {
    let makefile = read("Makefile");
    let explained = found(r"(?m)^(\.?[a-z0-9][a-z0-9-]*):.*## \S", &makefile);
    let phony = makefile
        .lines()
        .find_map(|line| line.strip_prefix(".PHONY: "));
    let phony = phony.expect(".PHONY").split(' ').map(str::to_owned);
    let targets = targets();
    assert_eq!(phony.collect::<BTreeSet<_>>(), targets);
    assert_eq!(explained, targets);
}

#[test]
fn every_script_that_the_makefile_calls_can_be_run() {
    let scripts = found(r"(scripts/[a-z-]+)\b[^/.]", &read("Makefile"));
    assert!(scripts.len() > 5, "{scripts:?}");
    for script in scripts
        .iter()
        .map(String::as_str)
        .chain(["scripts/pre-commit", ".ci/run"])
    {
        let path = root().join(script);
        let metadata = fs::metadata(&path).unwrap_or_else(|error| panic!("{script}: {error}"));
        let is_program = metadata.is_dir() || metadata.permissions().mode() & 0o111 != 0;
        assert!(is_program, "{script} is not executable");
    }
}

#[test]
fn every_image_has_its_tag_or_digest_and_can_be_pinned() {
    let listed = bash("scripts/pin-images --list", root());
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let images = found(r"(?m)^\S+ (\S+)$", &listed);
    for image in &images {
        let reference = image.parse::<warren_languages::ImageReference>();
        assert!(reference.is_ok(), "{reference:?}");
    }
    // Those of every file, and of every kind of line.
    let named = |name: &str| images.iter().any(|image| image.starts_with(name));
    for name in [
        "node:",
        "python:",
        "rabbitmq:",
        "mongo:",
        "rust:",
        "debian:",
        "docker:",
        "prom/",
    ] {
        assert!(named(name), "{name} is not in\n{listed}");
    }
    let of_languages: BTreeSet<_> = warren_languages::Languages::embedded()
        .iter()
        .map(|language| language.default_image().to_string())
        .collect();
    assert!(images.is_superset(&of_languages), "{of_languages:?}");
}

#[test]
fn the_required_rust_compiles_every_dependency() {
    let mut metadata = MetadataCommand::new();
    let metadata = metadata.manifest_path(root().join("Cargo.toml")).exec();
    let metadata = metadata.expect("cargo metadata");
    let own = metadata
        .packages
        .iter()
        .find(|package| package.name == "warren");
    let own: Version = own
        .and_then(|own| own.rust_version.clone())
        .expect("rust-version");
    let contributing = read("CONTRIBUTING.md");
    let stated = format!("{}.{}", own.major, own.minor);
    assert!(
        contributing.contains(&stated),
        "CONTRIBUTING.md does not state Rust {stated}"
    );
    for package in &metadata.packages {
        let wanted = package.rust_version.as_ref();
        assert!(
            wanted.is_none_or(|wanted| *wanted <= own),
            "{} {} needs Rust {wanted:?}; raise rust-version in Cargo.toml from {own}",
            package.name,
            package.version
        );
    }
}

/// Creates a directory with a `cargo` in it that is this script.
fn with_cargo(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let cargo = directory.path().join("cargo");
    fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("a program");
    directory
}

fn bash(script: &str, first_in_path: &Path) -> Output {
    let path = std::env::var("PATH").expect("PATH");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(root());
    bash.env("PATH", format!("{}:{path}", first_in_path.display()));
    bash.output().expect("bash")
}

#[test]
fn a_rust_that_is_too_old_is_reported_before_anything_is_compiled() {
    const LOOK: &str = "ROOT=.; source scripts/lib/common.sh; source scripts/lib/rust.sh; \
                        if cargo_ok; then echo fine; else cargo_missing; fi";
    let answer = |version: &str| {
        let cargo = with_cargo(&format!("echo 'cargo {version} (0000000 2025-01-01)'"));
        let output = bash(LOOK, cargo.path());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for version in ["1.70.0", "1.9.0", "1.88.1"] {
        let text = answer(version);
        assert!(
            text.contains(&format!("this machine has {version}")),
            "{text}"
        );
        assert!(text.contains("rustup update stable"), "{text}");
    }
    for version in ["1.89.0", "1.100.0", "2.0.0-nightly"] {
        assert_eq!(answer(version), "fine\n");
    }
}

#[test]
fn a_build_into_a_log_shows_its_progress_and_every_warning() {
    let cargo = with_cargo(
        r"printf '   Compiling a v1\n    Building [=>   ] 7/460: a, b(build)   \r' >&2
          printf 'warning: c\n    Building [==>  ] 8/460: b     \r' >&2
          printf 'error: d\n' >&2; exit 101",
    );
    let output = bash("scripts/cargo-build --release", cargo.path());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{text}");
    for line in ["7 of 460 units: a, b(build)", "warning: c\n", "error: d\n"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        !text.contains("Compiling") && !text.contains("8 of 460"),
        "{text}"
    );
}
