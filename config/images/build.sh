#!/usr/bin/env bash
# Builds images FROM scratch out of static binaries, with docker where its daemon runs, else with buildah.
#
#   build.sh [--profile dev|release] [--push REGISTRY] NAME...     NAME: event-operator, event-worker, pubsub-emulator
#
# The image NAME:dev goes into the archive .cache/images/NAME.tar (dev profile) or NAME-release.tar, for clusters without
# a registry. There it has a second name, NAME:dev-<sum of its content>, so that a pod notices that an image is a new
# one; .cache/images/NAME.ref holds that name. An image whose content did not change is not built again.
# With --push it goes to REGISTRY/NAME:$TAG (default dev) as well.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../lib/say.sh"
# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"

profile=dev registry='' names=()
while [ $# -gt 0 ]; do
  case $1 in
    --profile) profile=$2 && shift ;;
    --push)
      registry=$2 && shift
      [ -n "$registry" ] || die "REGISTRY is missing: say where to push, as in make push-worker REGISTRY=europe-docker.pkg.dev/my-project/images"
      ;;
    -*) die "build.sh: unknown option $1" ;;
    *) names+=("$1") ;;
  esac
  shift
done

images=$root/.cache/images
mkdir -p "$images"

dockerfile() {
  case $1 in
    event-operator) echo "$root/operator/Dockerfile" ;;
    event-worker) echo "$root/worker/Dockerfile" ;;
    pubsub-emulator) echo "$root/e2e/emulator/Dockerfile" ;;
    *) die "build.sh: no image is called $1" ;;
  esac
}

# The certificates that Google's TLS is checked against: the host's.
ca_bundle() {
  local file
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ -s "$file" ] && echo "$file" && return
  done
  die "no CA bundle found. Install it: apt-get install ca-certificates"
}

builder() {
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    echo docker
  else
    echo buildah
  fi
}

# Everything of buildah's stays in .cache; vfs needs no kernel module and no rights over mounts.
buildah_() {
  buildah --root "$images/storage" --runroot "$images/storage/run" --storage-driver vfs "$@"
}

compile() {
  need cargo https://rustup.rs "it compiles the binaries"
  case $profile in
    # Tests have more features than programs, and so other artefacts. Where they are built anyway, theirs serve.
    dev) if [ -n "${TESTS_ARE_BUILT:-}" ]; then cargo build --workspace --bins --tests --examples; else cargo build --workspace --bins; fi ;;
    release)
      local name packages=()
      for name in "${names[@]}"; do packages+=(--package "$name"); done
      cargo build --release "${packages[@]}" --bins
      ;;
    *) die "build.sh: --profile is dev or release, not $profile" ;;
  esac
}

build() {
  local name=$1 archive=$images/$1.tar state=$images/$1 context=$images/context/$1 binary sum
  [ "$profile" = release ] && archive=$images/$1-release.tar state=$images/$1-release
  binary=$binaries/$name
  [ -x "$binary" ] || die "cargo made no $binary"
  sum=$(cat "$binary" "$bundle" "$(dockerfile "$name")" | sha256sum | cut -c1-12)
  if [ -z "$registry" ] && [ -s "$archive" ] && [ "$(cat "$state.sum" 2>/dev/null)" = "$sum" ]; then
    ok "Image $name:dev did not change"
    return
  fi
  rm -rf "$context" && mkdir -p "$context"
  strip -o "$context/$name" "$binary"
  cp "$bundle" "$context/ca-certificates.crt"
  chmod 0555 "$context/$name" && chmod 0444 "$context/ca-certificates.crt"
  "archive_with_$tool" "$name" "docker.io/library/$name:dev" "docker.io/library/$name:dev-$sum"
  mv "$archive.new" "$archive"
  echo "$sum" >"$state.sum"
  echo "docker.io/library/$name:dev-$sum" >"$state.ref"
  rm -rf "$context"
  ok "Image $name:dev built with $tool: ${archive#"$root"/}, $(du -h "$archive" | cut -f1)"
}

archive_with_docker() {
  docker build --quiet --file "$(dockerfile "$1")" --tag "$2" --tag "$3" "$context" >/dev/null
  docker save --output "$archive.new" "$2" "$3"
  if [ -n "$registry" ]; then
    docker tag "$2" "$registry/$1:${TAG:-dev}"
    docker push "$registry/$1:${TAG:-dev}"
    ok "Pushed $registry/$1:${TAG:-dev}"
  fi
}

# The index of the archive lists the one image twice, under both names.
archive_with_buildah() {
  local layout=$images/context/$1.oci
  rm -rf "$layout"
  buildah_ build --quiet --file "$(dockerfile "$1")" --tag "$2" "$context" >/dev/null
  buildah_ push --quiet "$2" "oci:$layout:$2"
  if [ -n "$registry" ]; then
    buildah_ push "$2" "docker://$registry/$1:${TAG:-dev}"
    ok "Pushed $registry/$1:${TAG:-dev}"
  fi
  buildah_ rmi --force "$2" >/dev/null
  jq --arg ref "$3" '.manifests |= [.[0], (.[0] | .annotations["org.opencontainers.image.ref.name"] = $ref)]' \
    "$layout/index.json" >"$layout/index.json.new"
  mv "$layout/index.json.new" "$layout/index.json"
  tar -C "$layout" -cf "$archive.new" oci-layout index.json blobs
  rm -rf "$layout"
}

[ ${#names[@]} -gt 0 ] || die "build.sh: name at least one image"
tool=$(builder)
if [ "$tool" = buildah ]; then
  need buildah buildah "it builds images where no docker daemon runs"
  need jq jq "it edits the index of image archives"
fi
need strip binutils "it takes debug information out of binaries"
phase "Images: ${names[*]} ($profile profile, with $tool)"
compile
ok "Binaries are built"
binaries=$(binaries "$profile")
bundle=$(ca_bundle)
for name in "${names[@]}"; do build "$name"; done
