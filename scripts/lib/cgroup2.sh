# shellcheck shell=bash disable=SC2034
# An emulated machine with cgroup v2: QEMU, Debian's cloud kernel, and a root with Docker Engine.
# Nothing of it is installed on this machine but QEMU and the tools that make its disk.

GUEST=$CACHE/cgroup2 # vmlinuz, initrd and rootfs.tar
# In the order in which they are loaded.
GUEST_MODULES='virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay'

guest_ok() {
    have qemu-system-x86_64 && have mke2fs && [ -f "$GUEST/vmlinuz" ] && [ -f "$GUEST/initrd" ] && [ -f "$GUEST/rootfs.tar" ]
}
guest_packages() { printf '%s\n' qemu-system-x86 e2fsprogs busybox-static mmdebstrap cpio; }
guest_missing() {
    printf 'an emulated machine\tinstall qemu-system-x86, e2fsprogs, busybox-static, mmdebstrap and cpio, and run this with WARREN_PROVISION=install (Debian only)\n'
}
guest_install() {
    mkdir -p "$GUEST"
    step "Debian's cloud kernel and its initrd" guest_kernel
    step "a root with Docker Engine for the guest (about 30 s)" guest_rootfs
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
        cp "$ROOT/scripts/cgroup2/initrd" root/init
        (cd root && find . | cpio --quiet -o -H newc | gzip -1) >"$GUEST/initrd.new"
        cp kernel/boot/vmlinuz-* "$GUEST/vmlinuz"
        mv "$GUEST/initrd.new" "$GUEST/initrd"
    )
    local status=$?
    rm -rf "$dir"
    return $status
}

guest_rootfs() {
    env -u PYTHONDONTWRITEBYTECODE mmdebstrap --mode=root --variant=minbase --include=docker.io \
        --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --format=tar bookworm "$GUEST/rootfs.tar.new" && mv "$GUEST/rootfs.tar.new" "$GUEST/rootfs.tar"
}
