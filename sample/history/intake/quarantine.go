package intake

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A quarantine collects the bad records of one import in a file. Its name comes from its
// content, so that importing the same files again gives the same file.
type quarantine struct {
	fsys dataset.FS
	file *dataset.HashedFile // nil: nothing bad yet
	enc  *json.Encoder
}

const quarantineAside = history.QuarantineFolder + "/rewards.tmp"

func (q *quarantine) add(r dataset.Reject) error {
	if q.file == nil {
		f, err := dataset.CreateHashed(q.fsys, quarantineAside)
		if err != nil {
			return err
		}
		q.file, q.enc = f, json.NewEncoder(f)
		q.enc.SetEscapeHTML(false)
	}
	if err := q.enc.Encode(r); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

// finish gives the file its name; empty where nothing was bad.
func (q *quarantine) finish() (string, error) {
	if q.file == nil {
		return "", nil
	}
	f, err := q.file.Finish()
	q.file = nil
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s/rewards-%s.jsonl", history.QuarantineFolder, f.SHA256[:12])
	if err := q.fsys.Rename(f.Path, name); err != nil {
		q.fsys.Remove(f.Path)
		return "", err
	}
	return name, q.fsys.SyncDir(path.Dir(name))
}

func (q *quarantine) abort() {
	if q.file != nil {
		q.file.Abort()
		q.file = nil
	}
}
