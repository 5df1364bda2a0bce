# shellcheck shell=bash disable=SC2034
# An emulated machine with cgroup v2: QEMU, Debian's cloud kernel, and a root with Docker Engine.
# Nothing of it is installed on this machine but QEMU and the tools that make its disk.

GUEST=$CACHE/cgroup2 # vmlinuz, rootfs.tar and what the initrd is made of at each run
# In the order in which they are loaded.
GUEST_MODULES='virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay'

guest_ok() {
    have qemu-system-x86_64 && have mke2fs && have cpio && [ -f "$GUEST/vmlinuz" ] && [ -f "$GUEST/rootfs.tar" ] &&
        [ "$(cat "$GUEST/initrd.d/modules/order" 2>/dev/null)" = "$GUEST_MODULES" ]
}
guest_packages() { printf '%s\n' qemu-system-x86 e2fsprogs busybox-static mmdebstrap cpio; }
guest_missing() {
    printf 'an emulated machine\tinstall qemu-system-x86, e2fsprogs, busybox-static, mmdebstrap and cpio, and run this with WARREN_PROVISION=install (Debian only)\n'
}
guest_install() {
    mkdir -p "$GUEST"
    step "Debian's cloud kernel for the guest" guest_kernel
    [ -f "$GUEST/rootfs.tar" ] || step "a root with Docker Engine for the guest (about 30 s)" guest_rootfs
}

# The kernel out of its package alone: installing it would change how this machine boots.
guest_kernel() {
    local dir package
    dir=$(mktemp -d) || return
    (
        set -e
        cd "$dir"
        package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
        apt-get -o APT::Sandbox::User=root download "$package"
        dpkg-deb -x linux-image-*.deb kernel
        mkdir -p root/bin root/dev root/proc root/modules root/disk
        cp "$(command -v busybox)" root/bin/busybox
        local module
        for module in $GUEST_MODULES; do
            cp "$(find kernel/lib/modules -name "$module.ko")" root/modules/
        done
        echo "$GUEST_MODULES" >root/modules/order
        cp kernel/boot/vmlinuz-* "$GUEST/vmlinuz"
        rm -rf "$GUEST/initrd.d"
        mv root "$GUEST/initrd.d"
    )
    local status=$?
    rm -rf "$dir"
    return $status
}

# guest_initrd FILE: made anew at each run, since its program is this tree's.
guest_initrd() {
    cp -r "$GUEST/initrd.d" "$1.d"
    cp "$ROOT/scripts/cgroup2/initrd" "$1.d/init"
    (cd "$1.d" && find . | cpio --quiet -o -H newc | gzip -1) >"$1"
}

guest_rootfs() {
    env -u PYTHONDONTWRITEBYTECODE mmdebstrap --mode=root --variant=minbase --include=docker.io \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --format=tar bookworm "$GUEST/rootfs.tar.new" && mv "$GUEST/rootfs.tar.new" "$GUEST/rootfs.tar"
}
