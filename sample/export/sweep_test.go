package export_test

import (
	"context"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
	"github.com/longctx/pipeline/sample/export"
)

func TestSweepOfAnExport(t *testing.T) {
	w := newWorld(t, spec)
	plan := w.plan(t, 1, nil)
	for _, format := range []string{"verl", "jsonl"} {
		for name, before := range map[string]string{"a new file": "", "over another": "older"} {
			t.Run(format+", "+name, func(t *testing.T) {
				faultfs.Sweep(t, func() *faultfs.FS {
					out := faultfs.New()
					if before != "" {
						if _, err := dataset.WriteFile(out, w.options(t, format).Name, []byte(before)); err != nil {
							t.Fatal(err)
						}
					}
					return out
				}, func(out *faultfs.FS) error {
					o := w.options(t, format)
					o.Plan, o.Output, o.Force = plan, out, before != ""
					_, err := export.Run(context.Background(), o)
					return err
				})
			})
		}
	}
}
