//! Versions of kernel, engine and runtime, as far as they can be compared.

/// The leading numbers of a version, and whether a distribution has changed the software since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    numbers: Vec<u32>,
    /// Whether it has a distribution's suffix (`+ds1-1+deb12u1`, `-0ubuntu1`): then fixes may have
    /// been brought over without changing the numbers.
    pub(super) patched: bool,
}

impl Version {
    /// Reads the numbers at a version's beginning; `None` if there are none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('v');
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (head, suffix) = text.split_at(end.unwrap_or(text.len()));
        let numbers = head.split('.').filter(|part| !part.is_empty());
        let numbers: Vec<u32> = numbers.map_while(|part| part.parse().ok()).collect();
        let patched = ["ds", "dfsg", "deb", "ubuntu", "el", "fc", "amzn"]
            .iter()
            .any(|mark| suffix.contains(mark));
        (!numbers.is_empty()).then_some(Self { numbers, patched })
    }

    /// Returns whether it comes before these numbers.
    pub(super) fn is_before(&self, numbers: &[u32]) -> bool {
        self.numbers.as_slice() < numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(version("1.1.5+ds1-1+deb12u1").is_before(&[1, 2, 8]));
        assert!(version("v1.2.7").is_before(&[1, 2, 8]));
        assert!(!version("1.2.10").is_before(&[1, 2, 8]));
        assert!(!version("6.18.44-fc-v657").is_before(&[5, 10]));
        assert!(version("4.19.0-26-amd64").is_before(&[5, 10]));
        assert_eq!(Version::parse("unknown"), None);
    }

    #[test]
    fn a_distributions_version_is_told_from_the_authors_own() {
        assert!(version("1.1.5+ds1-1+deb12u1").patched);
        assert!(version("20.10.24+dfsg1").patched);
        assert!(version("1.1.12-0ubuntu2").patched);
        assert!(!version("1.1.12").patched);
        assert!(!version("v1.1.12-0-g51d5e94").patched);
    }
}
