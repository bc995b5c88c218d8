#!/usr/bin/env bash
# Google's own Python, Go, Node and Java clients against the emulator: what they are promised, they get. See README.md beside this.
#   run.sh [--binary EMULATOR] [--prepare] [python] [go] [node] [java]
#   Without names: Python and Go, and Node and Java where they are installed.
# --binary: this emulator, and not the one that cargo builds. --prepare: only fetch and compile what the suites need.
# With PUBSUB_EMULATOR_HOST set, that emulator is used and none is started.
set -euo pipefail
# shellcheck source=../../../config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../config/lib/say.sh"

here=$root/e2e/emulator/clients
work=$root/.cache/clients
logs=$root/.cache/logs
binary='' prepare_only='' suites=()
while [ $# -gt 0 ]; do
  case $1 in
    --binary) binary=${2:?--binary needs a path}; shift ;;
    --prepare) prepare_only=yes ;;
    python | go | node | java) suites+=("$1") ;;
    *) die "$1 is neither --binary PATH, --prepare, python, go, node nor java" ;;
  esac
  shift
done
if [ ${#suites[@]} -eq 0 ]; then
  suites=(python go)
  if command -v node >/dev/null && command -v npm >/dev/null; then
    suites+=(node)
  else
    note "node and npm are not here, so the Node client is NOT tested. Install them: apt-get install nodejs npm; then: make clients"
  fi
  if command -v javac >/dev/null && command -v mvn >/dev/null; then
    suites+=(java)
  else
    note "javac and mvn are not here, so the Java client is NOT tested. Install them: apt-get install default-jdk-headless maven; then: make clients"
  fi
fi
mkdir -p "$work" "$logs"

# What was started here, and how each of it is called.
declare -A pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 130' INT TERM

# The packages are those of requirements.txt, to the byte; a change there makes a new environment.
prepare_python() {
  local wanted venv=$work/venv
  wanted=$({ python3 --version && cat "$here/python/requirements.txt"; } | sha256sum)
  [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes -r "$here/python/requirements.txt"
  echo "$wanted" >"$venv/made-of"
}

# The steps below end in exec, so that who stops the step stops the suite.
run_python() {
  PYTHONPYCACHEPREFIX=$work/pycache exec "$work/venv/bin/python" -m pytest --numprocesses 3 --dist worksteal "$here/python"
}

prepare_go() { CGO_ENABLED=0 exec go -C "$here/go" test -c -o "$work/go.test" .; }
run_go() {
  cd "$here/go"
  exec "$work/go.test" -test.parallel 16 -test.timeout 5m -test.v
}

# The packages are those of package-lock.json, to the byte.
prepare_node() {
  local wanted made=$work/node
  wanted=$({ node --version && cat "$here/node/package-lock.json"; } | sha256sum)
  [ "$(cat "$made/made-of" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$made"
  mkdir "$made"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$made"
  npm --prefix "$made" ci --ignore-scripts --no-audit --no-fund --no-update-notifier
  echo "$wanted" >"$made/made-of"
}
# Elsewhere than on Google's machines the client spends seconds looking for their metadata server.
run_node() {
  cd "$here/node"
  NODE_PATH=$work/node/node_modules METADATA_SERVER_DETECTION=none exec \
    node --test --test-concurrency 3 --test-reporter spec ./*.test.js
}

# The packages are those of pom.xml and, as Maven has no lock file, of jars.sha256.
prepare_java() {
  local wanted made=$work/java
  wanted=$(cat "$here/java/pom.xml" "$here/java/jars.sha256" | sha256sum)
  if [ "$(cat "$made/made-of" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$made"
    mkdir "$made"
    mvn --quiet --batch-mode --file "$here/java/pom.xml" -Dstyle.color=never -Dmaven.repo.local="$work/m2" \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$made/jars"
    (cd "$made/jars" && sha256sum --quiet --strict --check "$here/java/jars.sha256") ||
      die "the packages are not those of java/jars.sha256"
    echo "$wanted" >"$made/made-of"
  fi
  rm -rf "$made/classes"
  javac -Xlint:all -Werror -proc:none -cp "$made/jars/*" -d "$made/classes" "$here"/java/*.java
}
run_java() {
  exec java -cp "$work/java/classes:$here/java:$work/java/jars/*" -XX:TieredStopAtLevel=1 \
    -Djava.util.logging.config.file="$here/java/logging.properties" org.junit.platform.console.ConsoleLauncher execute \
    --scan-classpath "$work/java/classes" --fail-if-no-tests --disable-banner --disable-ansi-colors
}

# start_emulator NAME [FLAG…]: on a free port, which is $address afterwards.
start_emulator() {
  local name=$1 log=$logs/emulator-$1.log
  shift
  NO_COLOR=1 "$binary" --port 0 "$@" >"$log" 2>&1 &
  pids[$name]=$!
  eventually 10 grep -q 'Listening' "$log" || die "the emulator did not start; see .cache/logs/emulator-$name.log"
  address=$(grep -oE '127\.0\.0\.1:[0-9]+' "$log" | head -n 1)
}

# The first grants are made while IAM is off; after that the tests have to ask the owner.
start_enforcing_emulator() {
  start_emulator enforcing
  export PUBSUB_EMULATOR_ENFORCING_HOST=$address PUBSUB_EMULATOR_ENFORCING_PROJECT=clients-enforced
  local policy='{"policy": {"bindings": [{"role": "roles/pubsub.admin", "members": ["user:owner@example.com"]}]}}'
  curl -fsS -o "$work/policy.json" -H 'content-type: application/json' -d "$policy" \
    "http://$address/v1/projects/$PUBSUB_EMULATOR_ENFORCING_PROJECT:setIamPolicy"
  curl -fsS -o "$work/settings.json" -X PATCH -H 'content-type: application/json' -d '{"iam": "enforce"}' \
    "http://$address/emulator/v1/settings"
}

# together STEP: the step of each suite at the same time. Says how each ended, and shows the log of one that failed.
together() {
  local step=$1 suite failed=0
  for suite in "${suites[@]}"; do
    ("${step}_$suite") >"$logs/clients-$step-$suite.log" 2>&1 &
    pids[$suite]=$!
  done
  for suite in "${suites[@]}"; do
    if wait "${pids[$suite]}"; then
      # Without what go test says of each test's begin and pauses.
      [ "$step" = prepare ] || grep -v '^=== ' "$logs/clients-$step-$suite.log"
      ok "$suite: $step"
    else
      cat "$logs/clients-$step-$suite.log" >&2
      note "$suite failed; all of it is in .cache/logs/clients-$step-$suite.log"
      failed=1
    fi
    unset "pids[$suite]"
  done
  return $failed
}

for suite in "${suites[@]}"; do
  case $suite in
    python)
      need python3 python3 "it runs the tests of the Python client"
      python3 -c 'import ensurepip' 2>/dev/null ||
        die "python3 cannot make environments (one holds the Python client). Install it: apt-get install python3-venv"
      ;;
    node)
      need node nodejs "it runs the tests of the Node client; version 20 or later"
      need npm npm "it fetches the Node client"
      ;;
    java)
      need javac default-jdk-headless "it compiles the tests of the Java client; version 17 or later"
      need mvn maven "it fetches the Java client"
      ;;
    go) need go https://go.dev/dl "it compiles the tests of the Go client; version 1.26, or 1.21 and later, which fetches it" ;;
  esac
done
need curl curl "it talks to the emulator"

phase "The official clients (${suites[*]})"
together prepare || die "the clients could not be prepared"
[ -z "$prepare_only" ] || exit 0

if [ -n "${PUBSUB_EMULATOR_HOST:-}" ]; then
  note "The emulator at $PUBSUB_EMULATOR_HOST is used; what needs one that enforces IAM is skipped."
else
  if [ -z "$binary" ]; then
    need cargo https://rustup.rs "it builds the emulator"
    binary=$(cargo build --quiet -p pubsub-emulator --bin pubsub-emulator --message-format json |
      sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    ok "The emulator is built"
  fi
  [ -x "$binary" ] || die "$binary is not an emulator that can be run"
  start_enforcing_emulator
  start_emulator plain
  export PUBSUB_EMULATOR_HOST=$address
fi
phase "The official clients against $PUBSUB_EMULATOR_HOST (${suites[*]}, at the same time; about 40 s)"
together run || die "the emulator does not keep a promise; see above"
