//! Variables of the API: callers, limits, callbacks and fallbacks.

use super::Group;
use crate::variable::Variable;

/// Callers: authentication, browsers and rates.
pub(super) const CALLERS: Group = Group {
    title: "Callers",
    variables: &[
        Variable::api(
            "WARREN_AUTH",
            "Whether callers must authenticate: on, off, or if-configured (on once API keys or an \
             issuer are set, on any address); docker-compose's default is if-configured",
        )
        .unset("as if-configured, but without keys and issuer on loopback addresses only")
        .example("on"),
        Variable::api(
            "WARREN_API_KEYS_FILE",
            "File of API keys (`warren key new NAME`), re-read every two seconds; under \
             docker-compose the path inside the container",
        )
        .example("keys.toml"),
        Variable::api(
            "FIREBASE_PROJECT_ID",
            "Firebase project whose ID tokens are accepted",
        )
        .example("my-project"),
        Variable::api(
            "WARREN_OIDC_ISSUER",
            "OpenID Connect issuer whose ID tokens are accepted; needs WARREN_OIDC_AUDIENCE and \
             WARREN_OIDC_JWKS_URL",
        )
        .example("https://id.example.com"),
        Variable::api(
            "WARREN_OIDC_AUDIENCE",
            "Audience that an ID token must name",
        )
        .example("warren"),
        Variable::api(
            "WARREN_OIDC_JWKS_URL",
            "Address of the issuer's public keys: https, or http on this machine",
        )
        .unset("Firebase's, if FIREBASE_PROJECT_ID is set")
        .example("https://id.example.com/keys"),
        Variable::api(
            "WARREN_OIDC_ROOMS_CLAIM",
            "Claim of an ID token that names the rooms its user may use: a list, or words separated by \
             spaces, with * for any characters; a token without it may use none",
        )
        .unset("every room")
        .example("warren_rooms"),
        Variable::api(
            "CLIENT_URL",
            "Origins from which browsers may call the API, comma-separated",
        )
        .unset("no CORS headers")
        .example("http://localhost:3000"),
        Variable::api(
            "WARREN_RATE_PER_MINUTE",
            "Jobs that each caller may submit a minute; 0 is no limit",
        )
        .default("0")
        .example("60"),
        Variable::api(
            "WARREN_RATE_BURST",
            "Jobs that each caller may submit at once; needs WARREN_RATE_PER_MINUTE",
        )
        .unset("as many as a minute")
        .example("20"),
        Variable::api(
            "WARREN_RATE_ROOM_PER_MINUTE",
            "Jobs that may be submitted to each room a minute; 0 is no limit",
        )
        .default("0")
        .example("300"),
        Variable::api(
            "WARREN_TRUSTED_PROXIES",
            "Addresses and networks of proxies whose X-Forwarded-For is believed, comma-separated",
        )
        .example("10.0.0.0/8"),
    ],
};

/// Waiting and overload.
pub(super) const LIMITS: Group = Group {
    title: "Waiting and overload",
    variables: &[
        Variable::api(
            "WARREN_WAIT_MS",
            "Longest time that a caller waits for a result, in milliseconds, 500 to 5000",
        )
        .default("5000")
        .example("2500"),
        Variable::api(
            "WARREN_MAX_IN_FLIGHT",
            "Most requests for execution that one API holds, 1 to 10000; one caller may take two \
             thirds, one room half, and admission control may refuse earlier",
        )
        .default("256"),
        Variable::api(
            "WARREN_ASYNC_MAX_WAIT_S",
            "Longest time that an asynchronous job waits for its turn, in seconds, 60 to 86400",
        )
        .default("3600"),
    ],
};

/// Callbacks.
pub(super) const CALLBACKS: Group = Group {
    title: "Callbacks",
    variables: &[
        Variable::api(
            "WARREN_WEBHOOK_SECRET",
            "Secrets that sign results posted to a callbackUrl, space-separated: whsec_ and the base64 \
             of 24 to 64 random bytes, such as `echo whsec_$(openssl rand -base64 32)` prints",
        )
        .unset("no callbacks")
        .secret(),
        Variable::api(
            "WARREN_CALLBACK_ALLOW",
            "Networks that callbacks may reach besides public addresses, comma-separated",
        )
        .example("10.1.0.0/16,fd00::/8"),
        Variable::api(
            "WARREN_CALLBACK_DENY",
            "Networks that callbacks may not reach even if they are public or allowed, comma-separated: \
             public ranges of your own",
        )
        .example("203.0.113.0/24,2001:db8:7::/48"),
        Variable::api(
            "WARREN_CALLBACK_RETRY_MS",
            "Pauses before each retry of a callback, in milliseconds, comma-separated",
        )
        .default("5000,30000,120000,600000,3600000"),
        Variable::api(
            "WARREN_CALLBACK_TIMEOUT_MS",
            "Time limit of one attempt at a callback, in milliseconds, 100 to 30000",
        )
        .default("10000"),
    ],
};

/// Fallbacks for when the queue takes no jobs.
pub(super) const FALLBACKS: Group = Group {
    title: "Fallbacks",
    variables: &[
        Variable::api(
            "EXECUTOR_URL",
            "A worker to ask directly when the queue takes no jobs",
        )
        .example("http://worker:5001"),
        Variable::api(
            "JUDGE0_URL",
            "A Judge0 to ask after that, which is sent code and inputs; with a key only https, but \
             plain http for private addresses",
        )
        .example("https://judge0-ce.p.rapidapi.com"),
        Variable::api("JUDGE0_API_KEY", "Key of that Judge0").secret(),
    ],
};
