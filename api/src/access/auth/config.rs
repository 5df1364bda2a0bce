//! Authentication settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use warren_config::Env;

use super::keys::Keys;
use super::provider::Provider;

const SWITCH: &str = "WARREN_AUTH";
const KEYS_FILE: &str = "WARREN_API_KEYS_FILE";
/// Advice on how to let callers authenticate.
const MEANS: &str = "name a file of API keys in WARREN_API_KEYS_FILE (`warren key new NAME` makes keys), or an issuer of ID tokens in FIREBASE_PROJECT_ID or WARREN_OIDC_ISSUER";

/// The authentication of callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// The explicit setting (`WARREN_AUTH`).
    pub switch: Option<Switch>,
    /// The file of API keys (`WARREN_API_KEYS_FILE`).
    pub keys_file: Option<PathBuf>,
    /// The provider whose ID tokens are accepted.
    pub provider: Option<Provider>,
}

/// A value of `WARREN_AUTH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Only authenticated callers may call.
    On,
    /// Anybody may call, wherever the API listens.
    Off,
    /// On if API keys or an issuer are configured, and otherwise off wherever the API listens. For
    /// settings that are written before it is known how callers authenticate, such as those of
    /// docker-compose.yml.
    IfConfigured,
}

impl AuthConfig {
    /// Reads the settings; faults are recorded in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self {
            switch: env.parse(SWITCH),
            keys_file: env.text(KEYS_FILE).map(PathBuf::from),
            provider: Provider::from_env(env),
        }
    }

    /// Returns whether callers must authenticate.
    #[must_use]
    pub fn is_on(&self) -> bool {
        match self.switch {
            Some(Switch::On) => true,
            Some(Switch::Off) => false,
            Some(Switch::IfConfigured) | None => self.has_means(),
        }
    }

    fn has_means(&self) -> bool {
        self.keys_file.is_some() || self.provider.is_some()
    }

    /// Checks whether an API that listens at `address` may start with these settings; faults are
    /// recorded in `env`.
    pub(crate) fn check(&self, address: SocketAddr, env: &mut Env) {
        if self.is_on() && !self.has_means() {
            env.fault(SWITCH, format!("is on, and nobody could call; {MEANS}"));
        }
        if !self.is_on() && self.switch.is_none() && !address.ip().is_loopback() {
            env.fault(
                SWITCH,
                format!(
                    "is not set, and whoever reaches {address} could run code; {MEANS}; or listen on this machine only (WARREN_API_ADDR=127.0.0.1:5000); or say WARREN_AUTH=off if that is meant"
                ),
            );
        }
        if let Some(path) = self.keys_file.as_ref().filter(|_| self.is_on())
            && let Err(fault) = Keys::read(path)
        {
            env.fault(KEYS_FILE, format!("{}: {fault}", path.display()));
        }
    }
}

impl FromStr for Switch {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            "if-configured" => Ok(Self::IfConfigured),
            _ => Err(
                "must be on, off or if-configured; unset, it is on if API keys or an issuer are configured",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the faults of an API that listens there with these settings.
    fn faults(address: &str, variables: &[(&str, &str)]) -> String {
        let pairs = variables.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env: Env = pairs.collect();
        let config = AuthConfig::from_env(&mut env);
        config.check(address.parse().unwrap(), &mut env);
        env.finish()
            .map_or_else(|faults| faults.to_string(), |()| String::new())
    }

    const LOCAL: &str = "127.0.0.1:5000";
    const PUBLIC: &str = "0.0.0.0:5000";

    #[test]
    fn a_public_address_needs_callers_that_are_known_or_a_word() {
        assert_eq!(faults(LOCAL, &[]), "");
        assert_eq!(faults("[::1]:5000", &[]), "");
        for public in [PUBLIC, "[::]:5000", "192.0.2.1:80", "10.0.0.1:5000"] {
            let said = faults(public, &[]);
            for what in [
                public,
                "WARREN_API_KEYS_FILE",
                "127.0.0.1",
                "WARREN_AUTH=off",
            ] {
                assert!(said.contains(what), "{said}");
            }
        }
        assert_eq!(faults(PUBLIC, &[("WARREN_AUTH", "off")]), "");
        assert_eq!(faults(PUBLIC, &[("WARREN_AUTH", "if-configured")]), "");
        assert_eq!(faults(PUBLIC, &[("FIREBASE_PROJECT_ID", "p")]), "");
    }

    #[test]
    fn it_is_on_if_told_or_if_there_is_a_way_to_be_known() {
        let is_on = |variables: &[(&str, &str)]| {
            let pairs = variables.iter();
            let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            AuthConfig::from_env(&mut pairs.collect()).is_on()
        };
        assert!(!is_on(&[]));
        assert!(is_on(&[("FIREBASE_PROJECT_ID", "p")]));
        assert!(is_on(&[("WARREN_API_KEYS_FILE", "f")]));
        const EITHER: (&str, &str) = ("WARREN_AUTH", "if-configured");
        assert!(!is_on(&[EITHER]));
        assert!(is_on(&[EITHER, ("FIREBASE_PROJECT_ID", "p")]));
        assert!(!is_on(&[
            ("FIREBASE_PROJECT_ID", "p"),
            ("WARREN_AUTH", "off")
        ]));
    }

    #[test]
    fn what_cannot_work_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = file.path().to_str().unwrap();
        assert_eq!(faults(PUBLIC, &[("WARREN_API_KEYS_FILE", empty)]), "");
        const ISSUER: (&str, &str) = ("WARREN_OIDC_ISSUER", "https://id.example.com");
        const AUDIENCE: (&str, &str) = ("WARREN_OIDC_AUDIENCE", "warren");
        const KEYS: &str = "WARREN_OIDC_JWKS_URL";
        for (variables, says) in [
            (&[("WARREN_AUTH", "on")][..], "nobody could call"),
            (&[("WARREN_AUTH", "maybe")], "must be on, off or"),
            (
                &[("WARREN_API_KEYS_FILE", "/nowhere/keys.toml")],
                "/nowhere/keys.toml: it cannot be read",
            ),
            (&[("FIREBASE_PROJECT_ID", "a/b")], "Firebase project's id"),
            (&[("FIREBASE_PROJECT_ID", "p"), ISSUER], "names an issuer"),
            (&[ISSUER], "WARREN_OIDC_AUDIENCE: is not set"),
            (&[AUDIENCE], "WARREN_OIDC_ISSUER: is not set"),
            (&[ISSUER, AUDIENCE], "jwks_uri"),
            (
                &[ISSUER, AUDIENCE, (KEYS, "http://id.example.com/keys")],
                "https",
            ),
            (&[ISSUER, AUDIENCE, (KEYS, "file:///keys")], "https"),
        ] {
            let said = faults(LOCAL, variables);
            assert!(said.contains(says), "{said}");
        }
        assert_eq!(
            faults(
                LOCAL,
                &[ISSUER, AUDIENCE, (KEYS, "http://127.0.0.1:1/keys")]
            ),
            ""
        );
    }
}
