package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
)

// ReadManifest reads and checks the manifest of a dataset.
// ErrNoManifest, ErrCorrupt, or a version that this program does not know.
func ReadManifest(fsys fs.FS) (*Manifest, error) {
	data, err := fs.ReadFile(fsys, ManifestName)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, ErrNoManifest
	}
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", ManifestName, ErrCorrupt, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w: something stands behind its end", ManifestName, ErrCorrupt)
	}
	if m.FormatVersion < 1 || m.FormatVersion > FormatVersion {
		return nil, fmt.Errorf("read %s: format version %d, this program knows 1 to %d", ManifestName, m.FormatVersion, FormatVersion)
	}
	if id, err := m.hash(); err != nil || id != m.ID {
		return nil, fmt.Errorf("read %s: %w: its id is %s, its content gives %s", ManifestName, ErrCorrupt, m.ID, id)
	}
	return m, m.checkPaths()
}

// checkPaths refuses a manifest that points out of its folder.
func (m *Manifest) checkPaths() error {
	for _, s := range m.Shards {
		if err := checkPath(s.Path); err != nil {
			return err
		}
	}
	for _, f := range m.Files {
		if err := checkPath(f.Path); err != nil {
			return err
		}
	}
	return nil
}

// checkPath refuses a path that leaves the dataset, or hides in it.
func checkPath(name string) error {
	if !fs.ValidPath(name) || strings.HasPrefix(name, ".") {
		return fmt.Errorf("read %s: %w: path %q leaves the dataset", ManifestName, ErrCorrupt, name)
	}
	return nil
}

// Seal sets the manifest's id from its content and returns its bytes.
func (m *Manifest) Seal() ([]byte, error) {
	m.FormatVersion = FormatVersion
	id, err := m.hash()
	if err != nil {
		return nil, err
	}
	m.ID = id
	return encodeManifest(m)
}

func (m *Manifest) hash() (string, error) {
	c := *m
	c.ID = ""
	data, err := encodeManifest(&c)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

func encodeManifest(m *Manifest) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(m)
	return b.Bytes(), err
}

// LedgerOf returns the account of a stage, empty where the stage did not run.
func (m *Manifest) LedgerOf(stage Stage) Ledger {
	for _, l := range m.Ledger {
		if l.Stage == stage {
			return l
		}
	}
	return NewLedger(stage)
}

// Layout returns the column set of the dataset's shards.
func (m *Manifest) Layout() Layout {
	switch m.Stage {
	case StageIngest:
		return LayoutIngest
	case StageTokenize:
		return LayoutTokenize
	}
	var c struct {
		NoText bool `json:"no_text"`
	}
	if json.Unmarshal(m.Config[StageBucket], &c) == nil && c.NoText {
		return LayoutLean
	}
	return LayoutFull
}

// HashFile returns size and hash of a file.
func HashFile(fsys fs.FS, name string) (File, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return File{}, err
	}
	return File{Path: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}
