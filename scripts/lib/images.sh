# shellcheck shell=bash disable=SC2034
# The base images of the languages: the official ones where a registry can be reached, else
# stand-ins from Debian's packages and npm's build of Node, named for what they are.

# The language file's own, with the digest if it is pinned.
default_image() { # NAME
    sed -nE "s#^image = \"($1:[^\"]+)\"#\1#p" "$ROOT/shared/languages.toml"
}
DEFAULT_PYTHON=$(default_image python)
DEFAULT_JAVASCRIPT=$(default_image node)
STANDIN_PYTHON=warren-base/python:3.11-debian
if have npm; then
    STANDIN_JAVASCRIPT=warren-base/node:18-npm # upstream's own binary, as in node:18-alpine
else
    STANDIN_JAVASCRIPT=warren-base/node:18-debian
fi
STANDIN_DEBIAN=warren-base/debian:bookworm
NODE_VERSION=18.20.8
PULL_SECONDS=${WARREN_PULL_SECONDS:-180} # bound on one pull; without a registry it fails at once

wanted_image() { # LANGUAGE in capitals
    local default=DEFAULT_$1
    env_value "WARREN_IMAGE_$1" "${!default}"
}
has_image() { docker image inspect "$1" >/dev/null 2>&1; }

images_ok() {
    have docker && has_image "$(wanted_image PYTHON)" && has_image "$(wanted_image JAVASCRIPT)"
}
images_missing() {
    local language image
    for language in PYTHON JAVASCRIPT; do
        image=$(wanted_image $language)
        has_image "$image" || printf 'container image %s\tdocker pull %s (or name another one in WARREN_IMAGE_%s)\n' "$image" "$image" $language
    done
}
images_install() {
    local language image absent=()
    for language in PYTHON JAVASCRIPT; do
        image=$(wanted_image $language)
        has_image "$image" || pull "$image" || absent+=("$language")
    done
    [ ${#absent[@]} -gt 0 ] || return 0
    for language in "${absent[@]}"; do
        # An operator's own choice is never replaced by something else.
        local default=DEFAULT_$language standin=STANDIN_$language
        image=$(wanted_image "$language")
        if [ "$image" != "${!default}" ] && [ "$image" != "${!standin}" ]; then
            die "image $image (WARREN_IMAGE_$language) is neither here nor can it be pulled" "build or load it, or correct the variable"
        fi
    done
    say "no image registry can be reached: building stand-ins for ${absent[*]}"
    apt_install mmdebstrap
    [[ " ${absent[*]} " != *" PYTHON "* ]] || standin_python
    [[ " ${absent[*]} " != *" JAVASCRIPT "* ]] || standin_javascript
    for language in "${absent[@]}"; do
        local standin=STANDIN_$language
        env_append "WARREN_IMAGE_$language" "${!standin}"
    done
}

pull() { # IMAGE
    [[ $1 != warren-base/* ]] || return 1
    say "pulling $1 ..."
    timeout "$PULL_SECONDS" docker pull "$1" >&2
}

# rootfs NAME PACKAGES...: a minimal Debian root with these packages in $CACHE/rootfs/NAME.tar.
# mmdebstrap rather than debootstrap: half the time, and no apt left inside.
rootfs() {
    local name=$1 packages=$2 tar=$CACHE/rootfs/$1.tar
    [ -f "$tar" ] && return 0
    mkdir -p "$CACHE/rootfs"
    step "building the $name root from Debian's packages (about 20 s)" \
        env -u PYTHONDONTWRITEBYTECODE mmdebstrap --mode=root --variant=essential --include="$packages" \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --format=tar bookworm "$tar.new"
    mv "$tar.new" "$tar"
}

# import NAME IMAGE [docker import options]
import() {
    local name=$1 image=$2
    shift 2
    step "importing $image" docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV LANG=C.UTF-8' "$@" "$CACHE/rootfs/$name.tar" "$image"
}

standin_debian() {
    has_image $STANDIN_DEBIAN && return 0
    rootfs debian libstdc++6
    import debian $STANDIN_DEBIAN --change 'CMD ["sh"]'
}

standin_python() {
    has_image $STANDIN_PYTHON && return 0
    rootfs python python3
    import python $STANDIN_PYTHON --change 'CMD ["python3"]'
}

standin_javascript() {
    has_image $STANDIN_JAVASCRIPT && return 0
    if ! have npm; then
        rootfs node nodejs
        import node $STANDIN_JAVASCRIPT --change 'CMD ["node"]'
        return
    fi
    local arch=x64 integrity='sha512-JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww=='
    if [ "$(uname -m)" = aarch64 ]; then
        arch=arm64 integrity='sha512-xTMJYtLdLjIimh8zRpgUDFsNknLP72AT/QWEQmeyDOM1/Gqj/GZn/MlbA+zWSjSMBxQscYvgFpq3qERMEcFEUA=='
    fi
    standin_debian
    step "node $NODE_VERSION from npm" node_binary "$CACHE/node" "node-linux-$arch" "$integrity"
    step "building $STANDIN_JAVASCRIPT" build_image $STANDIN_JAVASCRIPT "$CACHE/node" <<'END'
FROM warren-base/debian:bookworm
COPY node /usr/local/bin/node
CMD ["node"]
END
}

# The registry client checks the tarball against the registry's word; the pin checks that word.
node_binary() {
    local dir=$1 package=$2 integrity=$3 got
    [ -x "$dir/node" ] && return 0
    mkdir -p "$dir"
    cd "$dir" || return
    npm pack --silent "$package@$NODE_VERSION" || return
    got=sha512-$(openssl dgst -sha512 -binary "$package-$NODE_VERSION.tgz" | base64 -w 0)
    [ "$got" = "$integrity" ] || { echo "integrity of $package@$NODE_VERSION is $got, expected $integrity"; return 1; }
    tar -xzf "$package-$NODE_VERSION.tgz" --strip-components=2 package/bin/node || return
    rm "$package-$NODE_VERSION.tgz"
}

# build_image IMAGE CONTEXT <DOCKERFILE
build_image() { DOCKER_BUILDKIT=0 docker build --tag "$1" --file - "$2"; }
