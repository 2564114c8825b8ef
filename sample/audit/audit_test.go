package audit_test

import (
	"bytes"
	"testing"

	"github.com/longctx/pipeline/sample/audit"
)

func TestTheFactsOfARehearsalAreTheGoldenOnes(t *testing.T) {
	fsys, m := rehearsed(t, 120)
	f := run(t, fsys, m, audit.Defaults())
	var j, c bytes.Buffer
	if err := f.WriteJSON(&j); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteCSV(&c); err != nil {
		t.Fatal(err)
	}
	golden(t, "audit.jsonl", j.Bytes())
	golden(t, "audit.csv", c.Bytes())
}
