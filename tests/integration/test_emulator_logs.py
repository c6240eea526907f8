"""Every line that a function logs is in its log, however slowly the emulator reads."""

import subprocess
from textwrap import dedent

from local import ROOT
from local.emulator import PYTHON

SCRIPT = dedent("""
    import queue, subprocess, sys, threading, time
    from ministack.core.lambda_runtime import Worker
    sys.path.insert(0, "local/front")
    from aws_rules import logged, read_log

    class SlowQueue(queue.Queue):  # as on a machine that gives the reader a turn now and then
        number = 0
        def put(self, line):
            super().put(line)
            self.number += 1
            if self.number % 1000 == 999:
                time.sleep(0.03)

    def lines(read, drain):
        worker = Worker.__new__(Worker)
        worker._stderr_queue = SlowQueue()
        program = "import sys; sys.stderr.write('line\\\\n' * 20_000); print(flush=True); sys.stdin.read()"
        worker._proc = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        worker.reading = False
        threading.Thread(target=read, args=(worker,), daemon=True).start()
        worker._proc.stdout.readline()  # the response
        return len(drain(worker).splitlines())

    print(lines(Worker._read_stderr, Worker._drain_stderr_bounded), lines(read_log, logged))
""")


def test_all_lines_are_read_and_the_rule_goes_when_ministack_reads_them() -> None:
    done = subprocess.run([PYTHON, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    by_ministack, by_the_rule = map(int, done.stdout.split())
    assert by_the_rule == 20_000
    assert by_ministack < 20_000, "MiniStack reads every line: `logged` in local/front/aws_rules.py can go"


def test_archives_are_unpacked_for_each_process_by_ministack_alone() -> None:
    [source] = (ROOT / ".venv-emulator").glob("lib/python*/site-packages/ministack/core/lambda_runtime.py")
    spawn = source.read_text(encoding="utf-8").partition("def _spawn")[2].partition("def ")[0]
    assert spawn.count(".extractall(") == 2, "MiniStack starts processes otherwise: can local/front/archives.py go?"
