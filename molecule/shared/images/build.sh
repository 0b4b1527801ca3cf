#!/bin/sh
# Builds one image of the lab, unless the same recipe has built it before, and prints its name.
#
# usage: build.sh IMAGE RELEASE CACHE
#   IMAGE    a stage of the Containerfile beside this script
#   RELEASE  Debian's code name, such as bookworm, or sid
#   CACHE    directory for the locks: labs that are created at the same time share images, and build each once
set -eu

image=$1 release=$2 cache=$3
recipe=$(dirname "$(readlink -f "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# apt inside the containers reaches what apt on this machine reaches: the same mirrors (with the release's name in place of
# the host's), proxies and certificates. Without a Debian source on this machine, mmdebstrap's own default serves.
# shellcheck source=/dev/null
host_release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# shellcheck disable=SC2016  # the $(...) are apt's own fields
apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
  awk -F'|' -v host="$host_release" -v release="$release" '
    $1 !~ /^(Debian|\$\(ORIGIN\))$/ { next }
    # sid is one suite: it has no updates and no security.
    $3 == host || index($3, host "-") == 1 && release != "sid" { sub(host, release, $3); print "deb", $2, $3, $4 }' >"$scratch/sources"
apt-config dump | grep -E '^Acquire::(https?|ftp|Check-|Languages|Retries)' >"$scratch/apt.conf" || :
certificates=/etc/ssl/certs/ca-certificates.crt

name() { # a readable name, and a key made from all that goes in
  echo "localhost/pacs.loadbalancer/$1:$release-$(sha256sum | cut -c1-12)"
}
base=$(cat "$0" "$scratch/sources" "$scratch/apt.conf" | name base)
# shellcheck disable=SC2094
tag=$( { echo "$base"; cd "$recipe"; cat Containerfile; find "$image" -type f 2>/dev/null | sort | xargs -r tail -n +1; } | name "$image")

build_base() {
  # The package lists stay (apt/lists): with none, apt would believe that it had just updated and find no package.
  set -- "$release"
  [ ! -s "$scratch/sources" ] || set -- "$@" - -
  [ ! -s "$scratch/apt.conf" ] || set -- --aptopt="$scratch/apt.conf" "$@"
  [ ! -e "$certificates" ] || set -- --customize-hook="upload $certificates $certificates" "$@"
  mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists \
    --include=systemd,systemd-sysv,dbus,openssh-server,sudo,python3,iproute2,procps,ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$@" <"$scratch/sources" >"$scratch/base.tar" &&
  podman import --quiet "$scratch/base.tar" "$base"
}

build_image() {
  podman build --quiet --pull=never --layers=false --network=host --isolation=chroot \
    --build-arg "BASE=$base" --target "$image" --tag "$tag" "$recipe"
}

once() { # image's name, image, command: under a lock, so that a second lab waits for the first one's image
  (
    flock 9
    if ! podman image exists "$2"; then
      "$3" >&2
      # What an older recipe made goes, unless a lab still runs on it.
      podman images --noheading --format '{{.Repository}}:{{.Tag}}' "localhost/pacs.loadbalancer/$1" |
        grep ":$release-" | grep -vxF "$2" | xargs -r podman rmi >&2 || :
    fi
  ) 9>"$cache/$1-$release.lock"
}

if ! podman image exists "$tag"; then
  once base "$base" build_base
  once "$image" "$tag" build_image
fi
echo "$tag"
