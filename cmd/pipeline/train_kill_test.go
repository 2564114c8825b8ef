package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// trainKills is how often a real training process is killed before it may finish.
const trainKills = 5

// trainConfig is a schedule that visits every kind of stage in a few seconds.
const trainConfig = `
output = "data"
[[input]]
path = "sft.jsonl"
[[input]]
path = "rl-1.jsonl"
[[input]]
path = "rl-2.jsonl"
[tokenize]
tokenizer = "tokenizer/tokenizer.json"
template = "none"
[bucket]
phases = [24, 40]
[train]
run = "r"
init_std = 0.3
seed = 5
checkpoint_every = 3
[train.eval]
hold_out = "25%"
samples = 8
every = 5
[reward]
types = { synth_recall = "text" }
extra_words = 0
[[train.stage]]
name = "warm-up"
kind = "sft"
batch = 16
max_response = 3
steps = 40
lr = 3e-3
[[train.stage]]
name = "start"
kind = "measure"
batch = 16
group_size = 4
max_response = 3
temperature = 1.0
[[train.stage]]
name = "phase-1"
kind = "rl"
algorithm = "dapo"
batch = 4
mini_batch = 2
group_size = 4
max_response = 3
temperature = 1.0
steps = 8
lr = 1e-3
kl = 0.01
[[train.stage]]
name = "phase-2"
kind = "rl"
phase = 2
batch = 4
group_size = 4
max_response = 3
temperature = 1.0
steps = 8
lr = 1e-3
strategy = "thompson"
retrospective = { from = [1], strategy = "inverse_mean", ratio = 0.5, source = "running" }
`

// TestATrainingRunThatIsKilledHasTheBitsOfOneThatIsNot kills a real run with SIGKILL, over and
// over, and compares its series, report and weights with those of a run that was left alone.
func TestATrainingRunThatIsKilledHasTheBitsOfOneThatIsNot(t *testing.T) {
	exe := buildBinary(t) // under the race detector training takes ten times as long
	folder := func() string {
		dir := t.TempDir()
		t.Chdir(dir)
		pipeline(t, exe, "synth", "--samples", "40", "--task", "recall", "--tokens", "12..20", "--facts", "2..3", "--questions", "2", "--sft", "--seed", "1", "--output", "sft.jsonl", "--tokenizer-output", "tokenizer")
		pipeline(t, exe, "synth", "--samples", "40", "--task", "recall", "--tokens", "12..24", "--facts", "2..3", "--seed", "2", "--output", "rl-1.jsonl")
		pipeline(t, exe, "synth", "--samples", "40", "--task", "recall", "--tokens", "25..40", "--facts", "3..5", "--seed", "3", "--output", "rl-2.jsonl")
		if err := os.WriteFile("pipeline.toml", []byte(trainConfig), 0o666); err != nil {
			t.Fatal(err)
		}
		pipeline(t, exe, "-q", "build", "--config", "pipeline.toml")
		return dir
	}
	want := folder()
	start := time.Now()
	pipeline(t, exe, "-q", "train", "--config", "pipeline.toml")
	whole := time.Since(start)

	got := folder()
	r := rand.New(rand.NewPCG(8, 1))
	for killed, tries := 0, 0; killed < trainKills; tries++ {
		if tries > 20*trainKills {
			t.Fatalf("only %d of %d kills met a running process", killed, trainKills)
		}
		ctx, cancel := context.WithTimeout(t.Context(), whole/10+time.Duration(r.Int64N(int64(whole)/3)))
		err := exec.CommandContext(ctx, exe, "-q", "train", "--config", "pipeline.toml").Run() // the end of ctx is SIGKILL
		if ctx.Err() != nil && err != nil {
			killed++
		}
		cancel()
		if err == nil {
			break
		}
	}
	pipeline(t, exe, "-q", "train", "--config", "pipeline.toml")
	for _, name := range []string{"runs/r/steps.jsonl", "runs/r/report.json"} {
		if d := cmp.Diff(timeless(t, filepath.Join(want, name)), timeless(t, filepath.Join(got, name))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for _, name := range []string{"runs/r/model/model.safetensors", "runs/r/plans/phase-2.parquet", "runs/r/plans/phase-2.00001.parquet"} {
		a, errA := os.ReadFile(filepath.Join(want, name))
		b, errB := os.ReadFile(filepath.Join(got, name))
		if (errA == nil) != (errB == nil) {
			t.Errorf("%s: %v, %v", name, errA, errB)
		}
		if filepath.Ext(name) == ".safetensors" && (errA != nil || !bytes.Equal(a, b)) {
			t.Errorf("%s differs: %v", name, errA)
		}
	}
	if d := cmp.Diff(outcomes(t, exe, want), outcomes(t, exe, got)); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
}

// timeless reads JSON lines, or one JSON text, without what the clock says.
func timeless(t *testing.T, name string) (out []any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, dropTimes(v))
	}
	return out
}

func dropTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"time", "seconds", "tokens_per_second"} {
			delete(v, key)
		}
		for key := range v {
			v[key] = dropTimes(v[key])
		}
	case []any:
		for i := range v {
			v[i] = dropTimes(v[i])
		}
	}
	return v
}

// outcomes exports the reward history of a dataset, in the order of its lines.
func outcomes(t *testing.T, exe, dir string) map[string]int {
	t.Helper()
	out, err := exec.Command(exe, "rewards", "export", filepath.Join(dir, "data"), "--output", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(out) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(dropTimes(v))
		if err != nil {
			t.Fatal(err)
		}
		seen[string(text)]++
	}
	return seen
}
