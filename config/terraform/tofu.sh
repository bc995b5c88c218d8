# Sourced after say.sh: OpenTofu, and a provider for tests, compiled from source.
# shellcheck shell=bash disable=SC2154

tofu_version=1.12.6
# What the provider for tests passes itself off as; versions.tf has to allow it.
provider_version=7.45.0

# prepare_tofu: $tofu is OpenTofu afterwards, and $tofu_config a configuration with which it takes the providers from here.
prepare_tofu() {
  local work=$root/.cache/terraform source os arch name folder
  tofu=$work/tofu-$tofu_version
  tofu_config=$work/tofu.rc
  need go https://go.dev/dl "it compiles OpenTofu; version 1.26 or later"
  mkdir -p "$work"
  if [ ! -x "$tofu" ]; then
    # By its own go.mod: a replacement in it keeps `go install` from doing this.
    source=$(cd "$work" && go mod download -json "github.com/opentofu/opentofu@v$tofu_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    [ -d "$source" ] || die "OpenTofu's source cannot be had from the Go module proxy"
    rm -rf "$work/tofu-source"
    cp -r --no-preserve=mode "$source" "$work/tofu-source"
    (cd "$work/tofu-source" && CGO_ENABLED=0 nice go build -trimpath -ldflags '-s -w' -o "$tofu.new" ./cmd/tofu) ||
      die "OpenTofu could not be compiled"
    mv "$tofu.new" "$tofu"
    rm -rf "$work/tofu-source"
  fi
  os=$(go env GOOS) arch=$(go env GOARCH)
  (cd "$root/config/terraform/tests/provider" && CGO_ENABLED=0 nice go build -trimpath -ldflags '-s -w' -o "$work/provider" .) ||
    die "the provider for tests could not be compiled"
  for name in google google-beta; do
    folder=$work/mirror/registry.opentofu.org/hashicorp/$name/$provider_version/${os}_$arch
    mkdir -p "$folder"
    cp "$work/provider" "$folder/terraform-provider-${name}_v$provider_version"
  done
  printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$work/mirror" >"$tofu_config"
}
