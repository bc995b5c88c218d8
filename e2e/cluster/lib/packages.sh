# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# What the bundled cluster needs of the distribution.

# command:package pairs.
NEEDED="containerd:containerd runc:runc iptables:iptables conntrack:conntrack buildah:buildah ip:iproute2 openssl:openssl curl:curl"

install_packages() {
  local missing=() pair
  for pair in $NEEDED; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  say "Installing Debian packages (a container runtime and what connects its containers): ${missing[*]}"
  # A package's own service would get in the way of nobody, but nobody asked for it either.
  local policy=/usr/sbin/policy-rc.d ours=
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && ours=yes; }
  {
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >"$cache/packages.log" 2>&1 || {
    [ -z "$ours" ] || rm -f $policy
    tail -5 "$cache/packages.log" >&2
    fail "apt-get could not install ${missing[*]}; see $cache/packages.log"
  }
  [ -z "$ours" ] || rm -f $policy
}
