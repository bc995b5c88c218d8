# Sourced after say.sh: where cargo puts binaries.
# shellcheck shell=bash disable=SC2154

# binaries dev|release: the folder with those of a profile.
binaries() {
  local folder=debug
  [ "$1" = dev ] || folder=$1
  echo "${CARGO_TARGET_DIR:-$root/target}/$(rustc -vV | sed -n 's/^host: //p')/$folder"
}
