#!/bin/sh
# Prints the side-by-side table of tokenizer speeds. Needs $PIPELINE_REAL_DATA (the Qwen2.5 tokenizer and the real texts).
# Usage: speed.sh [WORKFOLDER [table.py's flags]]; --slow adds tiktoken-go and, where its library is in $HF_LIB, daulet/tokenizers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-${TMPDIR:-/tmp}/pipeline-exactness}
[ $# -gt 0 ] && shift
: "${PIPELINE_REAL_DATA:?set it to the folder of real tokenizers and data}"
mkdir -p "$work"
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/../exactness/requirements.txt" fastokens==0.3.5
[ -f "$work/speed.jsonl" ] || "$work/venv/bin/python" "$here/../exactness/corpus.py" speed 60 "$work/speed.jsonl"
cd "$here"
if [ -n "${HF_LIB:-}" ]; then
	CGO_LDFLAGS=-L$HF_LIB go build -tags hf -o "$work/speed" .
else
	go build -o "$work/speed" .
fi
exec "$work/venv/bin/python" table.py --go "$work/speed" --corpus "$work/speed.jsonl" \
	--tokenizer "$PIPELINE_REAL_DATA/tokenizers/qwen2_5/tokenizer.json" --ranks "$PIPELINE_REAL_DATA/tokenizers/qwen_tiktoken/qwen.tiktoken" "$@"
