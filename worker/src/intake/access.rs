//! Access to the worker's own `POST /execute`, past the API.

use std::net::SocketAddr;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use warren_config::{Env, WORKER_SECRET_VARIABLE, WorkerSecret};
use warren_protocol::contract::Problem;

const SWITCH: &str = "WARREN_WORKER_AUTH";

/// A rule for who may send a worker submissions, past the API.
#[derive(Clone, Debug)]
pub enum Access {
    /// A caller that presents this secret.
    Secret(WorkerSecret),
    /// Every caller that reaches it, by the operator's choice.
    Open,
    /// Every caller on its machine: the default.
    Local,
}

impl Access {
    /// Reads the settings; faults are recorded in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        match (
            env.parse(WORKER_SECRET_VARIABLE),
            env.parse::<Switch>(SWITCH),
        ) {
            (Some(secret), _) => Self::Secret(secret),
            (None, Some(Switch::Off)) => Self::Open,
            (None, None) => Self::Local,
        }
    }

    /// Checks that a worker that listens on `address` may start with this rule; a fault is recorded
    /// in `env`.
    pub(crate) fn check(&self, address: SocketAddr, env: &mut Env) {
        if matches!(self, Self::Local) && !address.ip().is_loopback() {
            env.fault(
                WORKER_SECRET_VARIABLE,
                format!(
                    "is not set, and every caller that reaches {address} could run code; set it to the output of `openssl rand -hex 32`; or listen on this machine only (WARREN_WORKER_ADDR=127.0.0.1:5001); or set {SWITCH}=off if only trusted callers reach that address"
                ),
            );
        }
    }

    /// Returns whether callers present a secret, which a foreign page in a browser does not have.
    pub(crate) fn asks_for_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    /// Admits a submission.
    ///
    /// # Errors
    /// 401, if it does not present the secret.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Self::Secret(secret) = self else {
            return Ok(());
        };
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        match (shown.next(), shown.next()) {
            (Some(shown), None) if secret.is_shown_by(shown.as_bytes()) => Ok(()),
            _ => Err(Problem::new(
                401,
                "unauthenticated",
                format!(
                    "This worker accepts submissions only with its secret: send the value of its {WORKER_SECRET_VARIABLE} as `Authorization: Bearer`, or submit through the API."
                ),
            )),
        }
    }
}

/// The value of `WARREN_WORKER_AUTH`, of which there is one.
enum Switch {
    Off,
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            _ => Err(format!(
                "can only be off, which admits every caller; to admit those that know a secret, set {WORKER_SECRET_VARIABLE}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: (&str, &str) = (WORKER_SECRET_VARIABLE, "0123456789abcdef");

    #[test]
    fn a_public_address_needs_a_secret_or_an_explicit_opt_out() {
        let faults = |address: &str, mut env: Env| {
            Access::from_env(&mut env).check(address.parse().unwrap(), &mut env);
            let faults = env.finish();
            faults.map_or_else(|faults| faults.to_string(), |()| String::new())
        };
        assert_eq!(faults("127.0.0.1:5001", Env::from([])), "");
        assert_eq!(faults("0.0.0.0:5001", Env::from([SECRET])), "");
        assert_eq!(faults("0.0.0.0:5001", Env::from([(SWITCH, "off")])), "");
        for public in ["0.0.0.0:5001", "[::]:5001", "10.0.0.1:5001"] {
            let said = faults(public, Env::from([]));
            for what in [WORKER_SECRET_VARIABLE, public, "127.0.0.1", SWITCH] {
                assert!(said.contains(what), "{said}");
            }
        }
        let said = faults("127.0.0.1:1", Env::from([(SWITCH, "on")]));
        assert!(said.contains("can only be off"), "{said}");
        let said = faults("127.0.0.1:1", Env::from([(SECRET.0, "hunter2")]));
        assert!(said.contains("16 to 256") && !said.contains("hunter2"));
    }

    #[test]
    fn only_callers_that_present_the_secret_are_admitted() {
        let access = Access::from_env(&mut Env::from([SECRET]));
        let admits = |shown: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in shown {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            access.admit(&headers).map_err(|problem| problem.status)
        };
        const RIGHT: &str = "Bearer 0123456789abcdef";
        assert_eq!(admits(&[RIGHT]), Ok(()));
        for wrong in [
            &[][..],
            &["Bearer 0123456789abcdeg"],
            &["Bearer wrong"],
            &["0123456789abcdef"],
            &[RIGHT, RIGHT],
        ] {
            assert_eq!(admits(wrong), Err(401), "{wrong:?}");
        }
        assert!(Access::Open.admit(&HeaderMap::new()).is_ok());
    }
}
