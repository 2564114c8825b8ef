package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// files are two, one of them in a folder; their content tells the step.
func files(step int64) []Content {
	return []Content{
		Bytes("model/config.json", []byte(`{"model_type":"qwen2"}`)),
		Bytes("model/model.safetensors", fmt.Appendf(nil, "weights of step %d", step)),
		Bytes("optimizer.safetensors", fmt.Appendf(nil, "moments of step %d", step)),
	}
}

func store(fsys dataset.FS) *Store { return &Store{FS: fsys, Dir: "checkpoints", Keep: 2} }

func save(t *testing.T, s *Store, step int64, score ...float64) {
	t.Helper()
	if err := s.Save(manifest(step, score...), files(step)); err != nil {
		t.Fatal(err)
	}
}

func manifest(step int64, score ...float64) Manifest {
	m := Manifest{Run: "run", Step: step, State: State{TrainStage: "phase-1", RNG: map[string][]byte{"plan": {1, 2, 3}}}}
	if len(score) > 0 {
		m.Score = &score[0]
	}
	return m
}

func there(t *testing.T, s *Store) string {
	t.Helper()
	steps, err := s.steps()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(steps)
	return fmt.Sprint(steps)
}

func TestACheckpointComesBackAsItWasSaved(t *testing.T) {
	s := store(faultfs.New())
	if _, _, err := s.Latest(); !errors.Is(err, ErrNone) {
		t.Fatalf("an empty store: %v", err)
	}
	save(t, s, 10)
	save(t, s, 20)
	c, damaged, err := s.Latest()
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	weights, err := fs.ReadFile(c.Files, "model/model.safetensors")
	if err != nil || string(weights) != "weights of step 20" {
		t.Errorf("weights %q, %v", weights, err)
	}
	if c.Step != 20 || c.State.TrainStage != "phase-1" || string(c.State.RNG["plan"]) != "\x01\x02\x03" {
		t.Errorf("manifest %+v", c.Manifest)
	}
}

func TestTheLastAndTheBestAreKept(t *testing.T) {
	s := store(faultfs.New())
	for i, score := range []float64{0.2, 0.9, 0.5, 0.9, 0.1, 0.3} {
		save(t, s, int64(10*(i+1)), score)
	}
	if got := there(t, s); got != "[40 50 60]" { // 40 is as good as 20, and later
		t.Errorf("kept %v", got)
	}
	best, err := s.Best()
	if err != nil || best.Step != 40 {
		t.Errorf("best %v, %v", best, err)
	}
}

func TestADamagedCheckpointIsPassedOverAndSaidSo(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(fsys dataset.FS, dir string) error
		reason string
	}{
		{"a flipped byte", func(fsys dataset.FS, dir string) error {
			_, err := dataset.WriteFile(fsys, dir+"/model/model.safetensors", []byte("weights of step 21"))
			return err
		}, "checksum mismatch"},
		{"a short file", func(fsys dataset.FS, dir string) error {
			_, err := dataset.WriteFile(fsys, dir+"/optimizer.safetensors", []byte("moments"))
			return err
		}, "file has 7"},
		{"a lost file", func(fsys dataset.FS, dir string) error { return fsys.Remove(dir + "/optimizer.safetensors") }, "not exist"},
		{"a lost manifest", func(fsys dataset.FS, dir string) error { return fsys.Remove(dir + "/manifest.json") }, "no manifest"},
		{"a torn manifest", func(fsys dataset.FS, dir string) error {
			_, err := dataset.WriteFile(fsys, dir+"/manifest.json", []byte(`{"format_version": 1, "st`))
			return err
		}, "read manifest"},
		{"a manifest of the future", func(fsys dataset.FS, dir string) error {
			_, err := dataset.WriteFile(fsys, dir+"/manifest.json", []byte(`{"format_version": 9}`))
			return err
		}, "format version 9"},
		{"a manifest that points out", func(fsys dataset.FS, dir string) error {
			_, err := dataset.WriteFile(fsys, dir+"/manifest.json", []byte(`{"format_version": 1, "step": 20, "files": [{"path": "../x"}]}`))
			return err
		}, `"../x"`},
	} {
		fsys := faultfs.New()
		s := store(fsys)
		save(t, s, 10)
		save(t, s, 20)
		if err := c.damage(fsys, "checkpoints/step-00000020"); err != nil {
			t.Fatal(err)
		}
		got, damaged, err := s.Latest()
		if err != nil || got.Step != 10 || len(damaged) != 1 || !strings.Contains(damaged[0].String(), c.reason) {
			t.Errorf("%s: %v, %v, %v", c.name, got, damaged, err)
		}
		// The run comes to step 20 again, and its checkpoint replaces the damaged one.
		save(t, s, 20)
		if got, damaged, err := s.Latest(); err != nil || got.Step != 20 || len(damaged) > 0 {
			t.Errorf("%s, saved again: %v, %v, %v", c.name, got, damaged, err)
		}
	}
}

// work saves three checkpoints and returns the last that was acknowledged.
func work(fsys *faultfs.FS) (acknowledged int64) {
	s := store(fsys)
	s.Keep = 1
	for _, step := range []int64{10, 20, 20, 30} {
		if s.Save(manifest(step), files(step)) == nil {
			acknowledged = step
		}
	}
	return acknowledged
}

func TestAFaultAtAnyOperationLeavesTheOldOrTheNewCheckpoint(t *testing.T) {
	clean := faultfs.New()
	work(clean)
	for i := range clean.Ops() {
		for _, injected := range []error{errors.New("injected"), faultfs.ErrCrashed} {
			fsys := faultfs.New()
			var failed faultfs.Op
			fsys.OnOp(func(at int, op faultfs.Op) error {
				if at == i {
					failed = op
					return injected
				}
				return nil
			})
			acknowledged := work(fsys)
			for name, after := range map[string]*faultfs.FS{"the machine stops": fsys.AfterCrash(), "the process dies": fsys.AfterKill()} {
				what := fmt.Sprintf("operation %d, %s: %v, %s", i, failed, injected, name)
				s := store(after)
				c, damaged, err := s.Latest()
				switch {
				case len(damaged) > 0:
					t.Errorf("%s: damaged: %v", what, damaged)
				case acknowledged == 0 && err != nil:
				case err != nil:
					t.Errorf("%s: step %d was acknowledged: %v", what, acknowledged, err)
				case c.Step < acknowledged:
					t.Errorf("%s: step %d was acknowledged, %d is there", what, acknowledged, c.Step)
				}
				if err := s.Save(manifest(40), files(40)); err != nil {
					t.Errorf("%s: save afterwards: %v", what, err)
				}
				for file := range after.Files() {
					if strings.Contains(file, asideSuffix) || strings.HasSuffix(file, ".tmp") {
						t.Errorf("%s: left behind: %s", what, file)
					}
				}
			}
		}
	}
}

func TestTheManifestGoesLast(t *testing.T) {
	fsys := faultfs.New()
	save(t, store(fsys), 10)
	want := `create: checkpoints/step-00000010.aside/model/config.json
sync: checkpoints/step-00000010.aside/model/config.json
create: checkpoints/step-00000010.aside/optimizer.safetensors
sync: checkpoints/step-00000010.aside/optimizer.safetensors
sync dir: checkpoints/step-00000010.aside/model
sync dir: checkpoints/step-00000010.aside
create: checkpoints/step-00000010.aside/manifest.json.tmp
sync: checkpoints/step-00000010.aside/manifest.json.tmp
rename: checkpoints/step-00000010.aside/manifest.json.tmp -> checkpoints/step-00000010.aside/manifest.json
sync dir: checkpoints/step-00000010.aside
rename: checkpoints/step-00000010.aside -> checkpoints/step-00000010
sync dir: checkpoints`
	var log []string
	for _, op := range fsys.Log() {
		if !strings.Contains(string(op), "model.safetensors") {
			log = append(log, string(op))
		}
	}
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
