package dataset_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/dataset/faultfs"
)

// FuzzManifest reads any bytes as a manifest, and again with the id that its content gives, so that
// what stands behind the id is met too: no panic, and nothing outside of the dataset is named.
func FuzzManifest(f *testing.F) {
	small := faultfs.New()
	sealed(f, small)
	f.Add(small.Files()[dataset.ManifestName])
	f.Add([]byte(`{"format_version":1,"stage":"bucket","shards":[{"path":"../x"}],"phases":[{"phase":1}],"ledger":[{"stage":"ingest","in":-1}]}`))
	f.Add([]byte(`{"format_version":1,"files":[{"path":"quarantine/ingest.jsonl","bytes":-5,"sha256":"zz"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(data []byte) {
			fsys := faultfs.New()
			sealed(t, fsys)
			if _, err := dataset.WriteFile(fsys, dataset.ManifestName, data); err != nil {
				t.Fatal(err)
			}
			m, err := dataset.ReadManifest(fsys)
			if err != nil {
				return
			}
			again, err := m.Seal()
			if back := new(dataset.Manifest); err != nil || json.Unmarshal(again, back) != nil || back.ID != m.ID {
				t.Errorf("it is not written as it was read: %v", err)
			}
			m.Layout()
			if _, err := dataset.Verify(t.Context(), fsys); err != nil && !errors.Is(err, dataset.ErrCorrupt) {
				t.Errorf("damage is not called so: %v", err)
			}
		}
		read(data)
		m := new(dataset.Manifest)
		if json.Unmarshal(data, m) != nil {
			return
		}
		if data, err := m.Seal(); err == nil {
			read(data)
		}
	})
}

// FuzzLedger: accounts that balance still do when they are added.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"stage":"ingest","in":3,"kept":2,"drops":{"empty":1}}`), []byte(`{"stage":"ingest","in":1,"kept":1}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var x, y dataset.Ledger
		if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil || x.Balance() != nil || y.Balance() != nil {
			return
		}
		sum := dataset.NewLedger(x.Stage)
		sum.Add(x)
		sum.Add(y)
		if err := sum.Balance(); err != nil {
			t.Errorf("%s and %s: %v", a, b, err)
		}
	})
}
