# Sourced after say.sh: the Python that the tests of config/terraform and config/cloud-run run with.
# shellcheck shell=bash disable=SC2154

# prepare_python: the packages are those of requirements.txt, to the byte; a change there makes a new environment. Its
# interpreter is $python afterwards.
prepare_python() {
  local requirements=$root/config/terraform/tests/requirements.txt venv=$root/.cache/terraform/venv wanted
  need python3 python3 "it reads HCL and YAML"
  python3 -c 'import ensurepip' 2>/dev/null ||
    die "python3 cannot make environments (one holds the parser of HCL). Install it: apt-get install python3-venv"
  wanted=$({ python3 --version && cat "$requirements"; } | sha256sum)
  if [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements" ||
      die "the packages of config/terraform/tests/requirements.txt could not be installed"
    echo "$wanted" >"$venv/made-of"
  fi
  # shellcheck disable=SC2034 # read by the script that sources this
  python=$venv/bin/python
  export PYTHONDONTWRITEBYTECODE=1
}
