# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# Images of the cluster's own parts, FROM scratch.

# scratch_image NAME BINARY ARCHIVE: one static binary, and nothing else.
scratch_image() {
  local name=$1 binary=$2 archive=$3 key container
  key=$(sha256sum <"$binary")
  [ ! -e "$archive" ] || [ "$(cat "$archive.key" 2>/dev/null)" != "$key" ] || return 0
  container=$(buildah from scratch)
  buildah copy -q "$container" "$binary" "/$(basename "$binary")" >/dev/null
  buildah config --entrypoint "[\"/$(basename "$binary")\"]" "$container"
  buildah commit -q --rm "$container" "$name" >/dev/null
  rm -f "$archive"
  buildah push -q "$name" "oci-archive:$archive:$name"
  printf '%s' "$key" >"$archive.key"
}
