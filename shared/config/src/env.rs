//! The environment as a checked source of settings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::variable::Variable;
use crate::variables;

/// Environment variables, and the faults found in them so far. An empty variable counts as unset.
///
/// Every method takes the name of a listed variable ([`variables::VARIABLES`]); any other name is a
/// mistake in the program, which a debug build refuses.
#[derive(Debug, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Env {
    /// Reads this process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        // No variable of Warren's has a value that is not UTF-8.
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Returns the value as text, if set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        debug_assert_listed(name);
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// Returns the value parsed, if set. A value that does not parse is a fault and counts as
    /// unset.
    pub fn parse<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let value = self.text(name)?;
        value
            .parse()
            .map_err(|error: T::Err| self.fault(name, error))
            .ok()
    }

    /// Returns a number within bounds; `default` if it is unset or out of bounds. The latter is a
    /// fault.
    pub fn number<T>(&mut self, name: &str, default: T, bounds: std::ops::RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Copy + fmt::Display,
        T::Err: fmt::Display,
    {
        match self.parse(name) {
            Some(n) if bounds.contains(&n) => n,
            Some(n) => {
                self.fault(
                    name,
                    format!("{n} is not between {} and {}", bounds.start(), bounds.end()),
                );
                default
            }
            None => default,
        }
    }

    /// Returns a duration given in milliseconds; otherwise as [`Env::number`].
    pub fn span_ms(
        &mut self,
        name: &str,
        default: Duration,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(
            name,
            u64::try_from(default.as_millis()).unwrap_or(u64::MAX),
            bounds,
        ))
    }

    /// Records that a variable cannot be used. Two readers of one variable record one fault.
    pub fn fault(&mut self, name: &str, problem: impl fmt::Display) {
        debug_assert_listed(name);
        let fault = Fault {
            variable: name.to_owned(),
            problem: problem.to_string(),
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Returns the set variables that an entry of the list describes, by name: at most one, but for
    /// a family.
    #[must_use]
    pub fn set(&self, entry: &Variable) -> Vec<(String, String)> {
        let names = self.variables.keys().map(String::as_str);
        let described = names.filter(|name| {
            variables::find(name).is_some_and(|described| described.name == entry.name)
        });
        described
            .filter_map(|name| Some((name.to_owned(), self.text(name)?)))
            .collect()
    }

    /// Returns the names of set variables that begin with `WARREN_` and are not listed: misspelt,
    /// or of another release.
    #[must_use]
    pub fn unlisted(&self) -> Vec<&str> {
        let names = self.variables.keys().map(String::as_str);
        names
            .filter(|name| name.starts_with("WARREN_") && variables::find(name).is_none())
            .collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All faults, if there are any.
    pub fn finish(self) -> Result<(), Faults> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Faults(self.faults))
        }
    }
}

/// Refuses a name that documents, docker-compose and Kubernetes would not know.
fn debug_assert_listed(name: &str) {
    debug_assert!(
        variables::find(name).is_some(),
        "{name} is not in warren_config::VARIABLES; add it there"
    );
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            faults: Vec::new(),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    /// Creates an environment of these variables alone.
    fn from(variables: [(&str, &str); N]) -> Self {
        variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    }
}

/// One variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The variable's name.
    pub variable: String,
    /// The problem and its remedy.
    pub problem: String,
}

/// Every fault in the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot use the configuration; correct these variables in the environment or in .env:"
        )?;
        self.0
            .iter()
            .try_for_each(|fault| write!(f, "\n  {}: {}", fault.variable, fault.problem))
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_with_its_variable() {
        let mut env = Env::from([
            ("WARREN_SLOTS", "x"),
            ("WARREN_POOL_SIZE", "99"),
            ("WARREN_POOL_REFILL", "7"),
            ("WARREN_DRAIN_MS", " "),
        ]);
        assert_eq!(env.number("WARREN_SLOTS", 1_u16, 1..=10), 1);
        assert_eq!(env.number("WARREN_POOL_SIZE", 2_u16, 1..=10), 2);
        assert_eq!(env.number("WARREN_POOL_REFILL", 3_u16, 1..=10), 7);
        assert_eq!(env.number("WARREN_DRAIN_MS", 4_u16, 1..=10), 4);
        assert_eq!(env.number("WARREN_SLOTS", 5_u16, 1..=10), 5);
        let faults = env.finish().unwrap_err();
        let named = faults.0.iter().map(|fault| fault.variable.as_str());
        assert_eq!(
            named.collect::<Vec<_>>(),
            ["WARREN_SLOTS", "WARREN_POOL_SIZE"]
        );
        let message = "WARREN_POOL_SIZE: 99 is not between 1 and 10";
        assert!(faults.to_string().contains(message));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "WARREN_SLOT is not in warren_config::VARIABLES")]
    fn a_name_that_is_not_listed_is_refused() {
        let _ = Env::from([]).text("WARREN_SLOT");
    }

    #[test]
    fn misspelt_variables_are_found() {
        let env = Env::from([
            ("WARREN_SLOT", "4"),
            ("WARREN_IMAGE_RUBY", "ruby:3"),
            ("HOME", "/root"),
        ]);
        assert_eq!(env.unlisted(), ["WARREN_SLOT"]);
    }
}
