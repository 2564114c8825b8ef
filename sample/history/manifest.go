package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// FormatVersion is the version of the history's format that this program writes.
//
//	1: segments of outcomes, supersessions, compaction that keeps snapshots
const FormatVersion = 1

// Folder is where a dataset keeps its history.
const Folder = "history"

const (
	manifestName = Folder + "/manifest.json"
	lockName     = Folder + "/.lock"
)

// ErrNoSnapshot means that no snapshot of the history has the id that was asked for.
var ErrNoSnapshot = errors.New("no such snapshot")

// ErrCompacted means that a snapshot was there, but a compaction has dropped superseded
// outcomes that it held.
var ErrCompacted = errors.New("snapshot is compacted away")

// A manifest names everything in the history, and is replaced as a whole by every commit.
type manifest struct {
	FormatVersion int            `json:"format_version"`
	ID            string         `json:"id"`       // hash of the rest
	Snapshot      string         `json:"snapshot"` // id of the newest snapshot
	Sequence      int64          `json:"sequence"` // number of the last commit; 0: none yet
	Files         int64          `json:"files"`    // file numbers given out
	Segments      []segment      `json:"segments"` // in the order of their commits
	Superseded    []supersession `json:"superseded"`
	Commits       []commit       `json:"commits"`             // since the last compaction
	Compaction    *compaction    `json:"compaction,omitzero"` // the last one
}

// A segment is one Parquet file of outcomes.
type segment struct {
	dataset.File
	Rows  int64  `json:"rows"`
	First int64  `json:"first"` // commits whose outcomes it holds, [First, Last]
	Last  int64  `json:"last"`
	Spans []span `json:"spans"`
}

// A span says which steps of a training stage a segment holds.
type span struct {
	Run        string `json:"run"`
	TrainStage string `json:"train_stage"`
	MinStep    int64  `json:"min_step"`
	MaxStep    int64  `json:"max_step"`
	Rows       int64  `json:"rows"`
}

// A supersession takes back the outcomes at or past a cursor that earlier commits recorded.
type supersession struct {
	Sequence int64 `json:"sequence"`
	Cursor
}

// A commit is one change of the history, and the snapshot that it made.
type commit struct {
	Sequence int64  `json:"sequence"`
	Snapshot string `json:"snapshot"`
}

// A compaction says what became of the snapshots before it.
type compaction struct {
	Snapshots dataset.File   `json:"snapshots"` // JSON list of commits, oldest first
	Readable  int64          `json:"readable"`  // snapshots before this commit are not readable any more
	Summary   *summaryFile   `json:"summary,omitzero"`
	Retired   []dataset.File `json:"retired"` // replaced files, kept for readers until the next compaction
}

// A summaryFile holds per-sample sums for tools that read Parquet.
type summaryFile struct {
	dataset.File
	Rows     int64  `json:"rows"`
	Snapshot string `json:"snapshot"`
}

// snapshotOfNothing is the id of the snapshot before the first commit.
var snapshotOfNothing = chain("", nil)

// chain returns the id of a snapshot: a hash over the one before it and what the commit did.
func chain(before string, change any) string {
	data, err := json.Marshal(change)
	if err != nil {
		panic(err) // segments and cursors are plain data
	}
	sum := sha256.Sum256(slices.Concat([]byte("history/1\n"+before+"\n"), data))
	return hex.EncodeToString(sum[:16])
}

func newManifest() *manifest {
	return &manifest{
		FormatVersion: FormatVersion, Snapshot: snapshotOfNothing,
		Segments: []segment{}, Superseded: []supersession{}, Commits: []commit{},
	}
}

// readManifest returns the history's manifest, an empty one where there is no history.
func readManifest(fsys fs.FS) (*manifest, error) {
	data, err := fs.ReadFile(fsys, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return newManifest(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	m, err := decodeManifest(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", manifestName, err)
	}
	return m, nil
}

func decodeManifest(data []byte) (*manifest, error) {
	m := new(manifest)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more text after its end", dataset.ErrCorrupt)
	}
	if m.FormatVersion < 1 || m.FormatVersion > FormatVersion {
		return nil, fmt.Errorf("format version %d, this program knows 1 to %d", m.FormatVersion, FormatVersion)
	}
	if id := m.hash(); id != m.ID {
		return nil, fmt.Errorf("%w: its id is %q, its content gives %s", dataset.ErrCorrupt, m.ID, id)
	}
	for _, name := range m.names() {
		if dir, base := path.Split(name); dir != Folder+"/" || strings.HasPrefix(base, ".") {
			return nil, fmt.Errorf("%w: file %q is not in %s", dataset.ErrCorrupt, name, Folder)
		}
	}
	return m, nil
}

// names returns every file that the manifest names.
func (m *manifest) names() []string {
	var names []string
	for _, s := range m.Segments {
		names = append(names, s.Path)
	}
	if c := m.Compaction; c != nil {
		names = append(names, c.Snapshots.Path)
		if c.Summary != nil {
			names = append(names, c.Summary.Path)
		}
		for _, f := range c.Retired {
			names = append(names, f.Path)
		}
	}
	return names
}

func (m *manifest) hash() string {
	c := *m
	c.ID = ""
	sum := sha256.Sum256(encodeManifest(&c))
	return hex.EncodeToString(sum[:16])
}

func encodeManifest(m *manifest) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(m); err != nil {
		panic(err) // plain data
	}
	return b.Bytes()
}

// write puts the manifest on disk.
func (m *manifest) write(fsys dataset.FS) error {
	m.ID = m.hash()
	if _, err := dataset.WriteFile(fsys, manifestName, encodeManifest(m)); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// clone returns a copy whose lists can be appended to.
func (m *manifest) clone() *manifest {
	c := *m
	c.Segments, c.Superseded, c.Commits = slices.Clone(m.Segments), slices.Clone(m.Superseded), slices.Clone(m.Commits)
	return &c
}

// commit adds a change under the next sequence number.
func (m *manifest) commit(change any) {
	m.Sequence++
	m.Snapshot = chain(m.Snapshot, change)
	m.Commits = append(m.Commits, commit{m.Sequence, m.Snapshot})
}

// rows returns the number of outcomes on disk, superseded ones included.
func (m *manifest) rows() int64 {
	var n int64
	for _, s := range m.Segments {
		n += s.Rows
	}
	return n
}
