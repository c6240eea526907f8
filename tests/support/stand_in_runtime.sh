# Gives a stand-in image Python and the runtime at the paths of AWS's image, where `sam local` starts a debugger.
set -eu
test -e /var/lang/bin/python3.13 || {
    mkdir -p /var/lang/bin
    python=$(sed -n 's|^exec \([^ ]*\) .*|\1|p' /var/runtime/bootstrap)
    printf '#!/bin/sh\nexport PYTHONPATH=/opt/python:/var/runtime\nexec %s "$@"\n' "$python" > /var/lang/bin/python3.13
    chmod 755 /var/lang/bin/python3.13
}
test -e /var/runtime/bootstrap.py || {
    printf 'import os, runpy, sys\nsys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])\nsys.argv = ["awslambdaric", os.environ["_HANDLER"]]\n'
    printf 'runpy.run_module("awslambdaric", run_name="__main__")\n'
} > /var/runtime/bootstrap.py
