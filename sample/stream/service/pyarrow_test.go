package service_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/longctx/pipeline/sample/stream/service"
)

// TestPyarrowIsAClient runs testdata/client.py with the Python that PIPELINE_PYTHON names
// (python3), where that has pyarrow.
func TestPyarrowIsAClient(t *testing.T) {
	python := os.Getenv("PIPELINE_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import pyarrow.flight").Run(); err != nil {
		t.Skip("no Python with pyarrow")
	}
	r := start(t, small, service.Options{})
	if out, err := exec.Command(python, "testdata/client.py", "grpc://"+r.addr).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
