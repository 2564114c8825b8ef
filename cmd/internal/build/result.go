package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/longctx/pipeline/dataset"
)

// A sealedResult is a splitResult on disk, with a hash by which damage is noticed.
type sealedResult struct {
	SHA256 string          `json:"sha256"` // of Result, as it stands
	Result json.RawMessage `json:"result"`
}

func writeResult(fsys dataset.FS, name string, r splitResult) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if data, err = json.Marshal(sealedResult{hex.EncodeToString(sum[:]), data}); err != nil {
		return err
	}
	f, err := dataset.CreateHashed(fsys, name)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Abort()
		return err
	}
	_, err = f.Finish()
	return err
}

// readResult reads the account of a finished split. fs.ErrNotExist where it is not finished,
// dataset.ErrCorrupt where it is damaged.
func (b *build) readResult(split int) (splitResult, error) {
	var r splitResult
	name := path.Join(splitDir(split), resultFile)
	data, err := fs.ReadFile(b.Output, name)
	if err != nil {
		return r, err
	}
	var sealed sealedResult
	if err = json.Unmarshal(data, &sealed); err == nil {
		sum := sha256.Sum256(sealed.Result)
		if hex.EncodeToString(sum[:]) != sealed.SHA256 {
			err = errors.New("checksum mismatch")
		} else {
			err = json.Unmarshal(bytes.TrimSpace(sealed.Result), &r)
		}
	}
	if err == nil && r.Plan != b.plan.hash {
		err = errors.New("it is of another plan")
	}
	if err != nil {
		return r, fmt.Errorf("%s: %w: %w", name, dataset.ErrCorrupt, err)
	}
	return r, nil
}

// isDone reports whether a split is finished and undamaged: every file is what its account
// says. What an earlier run left is read once again here; it is a small part of the work.
func (b *build) isDone(split int) bool {
	r, err := b.readResult(split)
	if err != nil {
		return false
	}
	for _, f := range r.Files {
		f.Path = path.Join(splitDir(split), f.Path)
		if f.Check(b.Output) != nil {
			return false
		}
	}
	return true
}
