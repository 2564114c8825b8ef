package backend_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/longctx/pipeline/train/policy"
	"github.com/longctx/pipeline/train/policy/backend"
)

func TestAnUnknownBackendNamesTheKnownOnes(t *testing.T) {
	for _, name := range []string{"tpu", "xla", "xla:", "go:1"} {
		if _, err := backend.Open(name, backend.Options{}); err == nil || !strings.Contains(err.Error(), "go, xla:cpu and xla:cuda") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestABackendThatIsNotThereSaysWhatToInstall(t *testing.T) {
	_, err := backend.Open("xla:cpu", backend.Options{PluginFolder: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make build-xla") && !strings.Contains(err.Error(), "put pjrt_c_api_cpu_plugin.so") {
		t.Errorf("error %v", err)
	}
}

func TestOpeningPrintsNothing(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	b, openErr := backend.Open("", backend.Options{})
	os.Stdout = stdout
	w.Close()
	if openErr != nil {
		t.Fatal(openErr)
	}
	if printed, _ := io.ReadAll(r); len(printed) > 0 {
		t.Errorf("printed %q", printed)
	}
	if !strings.HasPrefix(b.Description, "pure Go, ") {
		t.Errorf("description %q", b.Description)
	}
}

// With GoMLX's own bound on workers the first step of this size never ends.
func TestATrainingStepEnds(t *testing.T) {
	c, err := policy.Preset("nano", 64)
	if err != nil {
		t.Fatal(err)
	}
	b, err := backend.Open(backend.Default, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	params, err := policy.Init(c, policy.InitOptions{Seed: 1}).Tensors(c)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([][]int32, 16)
	for i := range zeros {
		zeros[i] = make([]int32, 32)
	}
	args := []any{zeros}
	for _, p := range params {
		args = append(args, p)
	}
	done := make(chan error, 1)
	go func() {
		_, err := graph.CallOnceN(b.Backend, func(n []*graph.Node) []*graph.Node {
			p := policy.NewParams(c, n[1:])
			x := policy.Hidden(c, p, policy.Batch{Tokens: n[0], Positions: n[0], Segments: n[0], Branches: n[0]})
			return policy.Gradients(c, p, graph.ReduceAllSum(x))
		}, args...)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Minute): // a watchdog for a deadlock, not a timing
		t.Fatal("the training step hangs")
	}
}
