//! The environment as a checked source of settings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Environment variables, and the faults found in them so far. An empty variable counts as unset.
#[derive(Debug, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Env {
    /// This process's environment.
    #[must_use]
    pub fn of_process() -> Self {
        // A variable that is no UTF-8 cannot be one of ours.
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value as text, if set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// The value parsed, if set. A value that does not parse is a fault and counts as unset.
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

    /// A number within bounds, `default` if unset.
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

    /// A span given in milliseconds, within bounds, `default` if unset.
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
        let fault = Fault {
            variable: name.to_owned(),
            problem: problem.to_string(),
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
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

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self {
            variables: variables.into_iter().collect(),
            faults: Vec::new(),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    /// These variables alone.
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
    /// Its name.
    pub variable: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// Every fault in the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration cannot be used; correct in the environment or in .env:"
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
    fn every_fault_is_told_with_its_variable() {
        let mut env = Env::from([("A", "x"), ("B", "99"), ("C", "7"), ("D", " ")]);
        assert_eq!(env.number("A", 1_u16, 1..=10), 1);
        assert_eq!(env.number("B", 2_u16, 1..=10), 2);
        assert_eq!(env.number("C", 3_u16, 1..=10), 7);
        assert_eq!(env.number("D", 4_u16, 1..=10), 4);
        assert_eq!(env.number("A", 5_u16, 1..=10), 5);
        let faults = env.finish().unwrap_err();
        assert_eq!(
            faults
                .0
                .iter()
                .map(|f| f.variable.as_str())
                .collect::<Vec<_>>(),
            ["A", "B"]
        );
        assert!(faults.to_string().contains("B: 99 is not between 1 and 10"));
    }
}
