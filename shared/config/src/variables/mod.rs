//! The list of all environment variables: of the program, docker-compose, make and the tests.
//!
//! `Env` reads only what is listed here. `docs/CONFIGURATION.md`, `.env.example`, `warren config` and
//! `warren up --help` are written from it, and docker-compose and Kubernetes are held to it.

mod api;
mod both;
mod others;
mod worker;

pub use crate::variable::Group;

use crate::variable::Variable;

/// Every variable, in groups.
pub static VARIABLES: [Group; 12] = [
    others::COMPOSE,
    both::STORAGE,
    both::PROCESS,
    api::CALLERS,
    api::LIMITS,
    api::CALLBACKS,
    api::FALLBACKS,
    worker::WORKER,
    worker::LANGUAGES,
    both::TRACES,
    others::CLIENT,
    others::DEVELOPMENT,
];

/// Returns every variable.
pub fn all() -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().flat_map(|group| group.variables)
}

/// Returns the entry that describes the variable of this name; a single variable comes before a
/// family.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    let mut described = all().filter(|variable| variable.describes(name));
    let first = described.next();
    described
        .find(|variable| variable.family().is_none())
        .or(first)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_texts_are_one_line() {
        let mut names = BTreeSet::new();
        for variable in all() {
            assert!(names.insert(variable.name), "{} twice", variable.name);
            let meaning = variable.meaning;
            assert!(
                !meaning.ends_with('.') && !meaning.contains(['\n', '|']),
                "{meaning}"
            );
        }
    }

    #[test]
    fn secrets_have_no_default_value() {
        for variable in all().filter(|variable| variable.secret) {
            assert!(
                !matches!(variable.unset, crate::Unset::Value(_)),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn a_single_variable_comes_before_its_family() {
        assert_eq!(find("WARREN_CHAOS_SEED").unwrap().name, "WARREN_CHAOS_SEED");
        assert_eq!(
            find("WARREN_CHAOS_JOBS").unwrap().name,
            "WARREN_CHAOS_<QUANTITY>"
        );
        assert!(find("WARREN_SLOT").is_none());
    }
}
