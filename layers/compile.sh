#!/bin/sh
# usage: compile.sh FOLDER PATH: compile the modules in FOLDER, which Lambda will mount at PATH.
#
# /opt and /var/task are read-only in Lambda, so uncompiled modules are compiled again in every cold start, which then
# takes 2.5 times as long without SnapStart. Only Lambda's own Python version can compile them. Packaging changes files'
# times, so the compiled files use unchecked hashes instead. functions/compile.sh is a copy of this file, because
# `sam build` gives each Makefile only its own folder (a link would lead out of the one that a container sees).
set -eu
folder=$1 path=$2
version=${LAYER_PYTHON_VERSION:-3.13}

for python in "${PYTHON:-python3}" "python$version" "${HOME:-/nonexistent}/.pyenv/versions/$version".*/bin/python; do
    # sam build sets PYTHONPATH for its own interpreter
    python="env -u PYTHONPATH -u PYTHONHOME $python"
    if [ "$($python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$version" ]; then
        $python -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$folder" -p "$path" "$folder"
        exit
    fi
done
echo "No Python $version found, so modules are not compiled and cold starts without SnapStart take 2.5 times as long." \
    "Install Python $version, or run 'sam build --use-container'." >&2
