#!/bin/sh
# Compiles the modules below $1, which will be at $2 in Lambda.
#
# /opt and /var/task are read-only there, so a module that comes without its compiled form is compiled again in every
# cold start: that takes three times as long. Only the runtime's own version of Python can do it; any such interpreter
# on this machine will. Packaging changes the files' times, so they must not be what counts: hence unchecked hashes.
#
# The layer and the functions have this script each: `sam build` gives a Makefile its own folder and no other.
set -eu
folder=$1 there=$2
version=${LAYER_PYTHON_VERSION:-3.13}

# sam build sets PYTHONPATH and the like for its own interpreter
run() { env -u PYTHONPATH -u PYTHONHOME "$@"; }

for python in "${PYTHON:-python3}" "python$version" python3 "${HOME:-/nonexistent}/.pyenv/versions/$version".*/bin/python; do
    if [ "$(run "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
        run "$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$folder" -p "$there" "$folder"
        exit
    fi
done
echo "There is no Python $version on this machine, so the modules are not compiled: cold starts will take three times" \
    "as long. Install one, or build with \`sam build --use-container\`." >&2
