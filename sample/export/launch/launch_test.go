package launch_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longctx/pipeline/sample/export/launch"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// awkward is a file name that a shell, hydra and YAML would each like to misread.
const awkward = `a b/$HOME's "x",{y}=z`

func script(t *testing.T, trainer, algorithm, folder string) string {
	t.Helper()
	s := launch.Defaults(trainer, algorithm)
	s.Dataset, s.Run = filepath.Join(folder, "data"), "seed7"
	var b bytes.Buffer
	err := launch.Write(&b, s, []launch.Phase{
		{Phase: 1, MaxPrompt: 20_000, File: filepath.Join(folder, "phase-1.parquet"), Rows: 1_000},
		{
			Phase: 2, MaxPrompt: 60_000, File: filepath.Join(folder, "phase-2.parquet"),
			Later: &launch.Later{Plan: filepath.Join(folder, "plan-2.parquet"), Draw: []string{"--retrospective", "inverse_mean=0.1; rm", "--seed", "7"}, Format: trainer},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func each(t *testing.T, test func(t *testing.T, trainer, algorithm string)) {
	for _, trainer := range launch.Trainers() {
		for _, algorithm := range launch.Algorithms() {
			t.Run(trainer+"-"+algorithm, func(t *testing.T) { test(t, trainer, algorithm) })
		}
	}
}

func TestTheScriptsAreTheGoldenOnes(t *testing.T) {
	each(t, func(t *testing.T, trainer, algorithm string) {
		golden := filepath.Join("testdata", trainer+"-"+algorithm+".sh")
		got := script(t, trainer, algorithm, "export")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("script (-want +got):\n%s", d)
		}
	})
}

// A stub is a program that writes down how it was called, an argument a line, and leaves what
// the script looks for after a training.
const stub = `#!/usr/bin/env bash
{ echo "== ${0##*/}"; printf '%s\n' "$@"; } >>"$CALLS"
for a; do case $a in
  trainer.default_local_dir=*) dir=${a#*=}; dir=${dir#\'}; dir=${dir%\'}; dir=${dir//\\\'/\'}; mkdir -p "$dir"; echo 7 >"$dir/latest_checkpointed_iteration.txt" ;;
  */data.yaml) cat "$a" >>"$CALLS" ;;
esac; done
`

// play runs a script with stubs instead of the programs that it calls, and returns the calls.
func play(t *testing.T, script string, env ...string) string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	dir := t.TempDir()
	for _, name := range []string{"python3", "pipeline", "accelerate"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(stub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	calls := filepath.Join(dir, "calls")
	cmd := exec.Command(bash)
	cmd.Stdin, cmd.Dir = strings.NewReader(script), dir
	cmd.Env = append(os.Environ(), append(env, "PATH="+dir+":"+os.Getenv("PATH"), "CALLS="+calls)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheScriptsRunFromPhaseToPhaseWhateverTheNames(t *testing.T) {
	each(t, func(t *testing.T, trainer, algorithm string) {
		text := script(t, trainer, algorithm, awkward)
		calls := play(t, text, "MODEL=start model", "REWARD=re'ward.py", "VERL=0.7.1", "RUNS=run's dir")
		hydra := strings.ReplaceAll(awkward, "'", `\'`)
		want := map[string][]string{
			"verl":     {"data.train_files='" + hydra + "/phase-1.parquet'", `actor_rollout_ref.model.path='start model'`, `actor_rollout_ref.model.path='run\'s dir/phase-1/model'`, "data.max_prompt_length=60000"},
			"trl":      {"    data_files: '" + strings.ReplaceAll(awkward, "'", "''") + "/phase-1.parquet'", "--model_name_or_path\nstart model", "--model_name_or_path\nrun's dir/phase-1/model"},
			"openrlhf": {"--data.prompt_dataset\n" + awkward + "/phase-1.parquet", "--actor.model_name_or_path\nrun's dir/phase-1/model"},
		}[trainer]
		want = append(
			want,
			"== pipeline\nrewards\nimport\n"+awkward+"/data\n--from\nrun's dir/phase-1/",
			"== pipeline\nsample\n"+awkward+"/data\n--phase\n2\n--retrospective\ninverse_mean=0.1; rm\n--seed\n7\n--output\n"+awkward+"/plan-2.parquet\n",
			"== pipeline\nexport\n"+awkward+"/data\n--plan\n"+awkward+"/plan-2.parquet\n--format\n"+trainer+"\n--output\n"+awkward+"/phase-2.parquet\n",
			"== pipeline\nrewards\nimport\n"+awkward+"/data\n--from\nrun's dir/phase-2/",
		)
		for _, w := range want {
			if !strings.Contains(calls, w+"\n") && !strings.Contains(calls, w) {
				t.Errorf("no call with\n%s\nin\n%s", w, calls)
			}
		}
		order := []string{"phase-1.parquet", "\nimport\n", "\nsample\n", "\nexport\n", "phase-2.parquet"}
		at := 0
		for _, w := range order {
			i := strings.Index(calls[at:], w)
			if i < 0 {
				t.Fatalf("%q is not behind what comes before it:\n%s", w, calls)
			}
			at += i
		}
	})
}

func TestDynamicSamplingIsAskedOfTheVersionsThatHaveIt(t *testing.T) {
	const option = "algorithm.filter_groups.enable=True"
	for version, has := range map[string]bool{"0.7.1": false, "0.9.1": true} {
		// The stubs leave no outcomes of 0.9: the script writes them itself, before it looks.
		text := strings.ReplaceAll(script(t, "verl", launch.DAPO, "x"), "\nrecord ", "\necho '{}' >\"$OUTCOMES\"\nrecord ")
		calls := play(t, text, "MODEL=m", "REWARD=r", "VERL="+version)
		if strings.Contains(calls, option) != has {
			t.Errorf("verl %s: %s in the command: %v", version, option, !has)
		}
	}
}

func TestAScriptForAnUnknownTrainerIsRefused(t *testing.T) {
	for _, s := range []launch.Settings{launch.Defaults("slime", launch.GRPO), launch.Defaults("verl", "ppo")} {
		if err := launch.Write(&bytes.Buffer{}, s, nil); err == nil {
			t.Errorf("%s with %s: no error", s.Trainer, s.Algorithm)
		}
	}
}
