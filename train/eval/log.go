package eval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/longctx/pipeline/dataset"
)

// An Entry is what became of one request: a response, or the sample's refusal.
type Entry struct {
	SampleID  string `json:"sample_id"`
	Index     int    `json:"rollout"` // from 0; of a refusal: 0
	Response  string `json:"response"`
	Length    int32  `json:"response_length"` // tokens; -1: unknown
	Stop      string `json:"stop_reason"`
	Seed      int64  `json:"seed"`
	Truncated bool   `json:"context_truncated,omitzero"`
	Refused   string `json:"refused,omitzero"` // why there is no response, and never will be
}

// Folders of the logs of an evaluation.
const (
	ResponsesFolder = "responses"
	PatternsFolder  = "patterns" // what the judge of patterns said
)

// A Log keeps responses on disk as they come. Each process writes a segment of its own, each
// line stands for itself: it ends with its checksum, so that what a crash tore off is known and
// asked again, and all the rest is kept.
//
// Its methods may be called from many goroutines.
type Log struct {
	fsys    dataset.FS
	folder  string
	name    string // of the segment to write
	damaged int    // lines that cannot be used

	waiting sync.Mutex
	queue   []*write

	commit sync.Mutex // guards all below
	out    dataset.Output
	size   int64
	broken error // of a write that failed: its line may be torn
	index  map[key]place
}

type key struct {
	sample string
	index  int
}

// A place is where a line of the log stands.
type place struct {
	segment string
	offset  int64
	length  int32
	refused bool
}

// A write is one entry that waits to be durable.
type write struct {
	key  key
	line []byte
	at   place
	done bool
	err  error
}

// OpenLog reads what is in a folder. Nothing is written before the first Append.
func OpenLog(fsys dataset.FS, folder string) (*Log, error) {
	l := &Log{fsys: fsys, folder: folder, index: map[key]place{}}
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("responses: %w", err)
	}
	last := 0
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "segment-%05d.jsonl", &n); err != nil || !strings.HasSuffix(e.Name(), ".jsonl") {
			continue
		}
		last = max(last, n)
		if err := l.load(path.Join(folder, e.Name())); err != nil {
			return nil, fmt.Errorf("responses: %w", err)
		}
	}
	l.name = fmt.Sprintf("%s/segment-%05d.jsonl", folder, last+1)
	return l, nil
}

// load reads a segment line by line.
func (l *Log) load(name string) error {
	f, err := l.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	offset := int64(0)
	for line, err := range lines(f) {
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if e, err := parseEntry(line); err == nil {
			l.index[key{e.SampleID, e.Index}] = place{name, offset, int32(len(line)), e.Refused != ""}
		} else {
			l.damaged++
		}
		offset += int64(len(line))
	}
	return nil
}

// Has reports whether a response is there, or its sample is refused.
func (l *Log) Has(sampleID string, index int) bool {
	l.commit.Lock()
	defer l.commit.Unlock()
	if _, ok := l.index[key{sampleID, index}]; ok {
		return true
	}
	return l.index[key{sampleID, 0}].refused
}

// Len returns the number of entries; Damaged that of lines that a crash left unusable.
func (l *Log) Len() int {
	l.commit.Lock()
	defer l.commit.Unlock()
	return len(l.index)
}

// Damaged returns how many lines cannot be used. Their responses are asked again.
func (l *Log) Damaged() int { return l.damaged }

// Get reads an entry; ok is false where there is none.
func (l *Log) Get(sampleID string, index int) (e Entry, ok bool, err error) {
	l.commit.Lock()
	at, ok := l.index[key{sampleID, index}]
	l.commit.Unlock()
	if !ok {
		return e, false, nil
	}
	f, err := l.fsys.Open(at.segment)
	if err != nil {
		return e, false, fmt.Errorf("responses: %w", err)
	}
	defer f.Close()
	line := make([]byte, at.length)
	if _, err := f.(io.ReaderAt).ReadAt(line, at.offset); err != nil && !errors.Is(err, io.EOF) {
		return e, false, fmt.Errorf("read %s: %w", at.segment, err)
	}
	if e, err = parseEntry(line); err != nil || e.SampleID != sampleID || e.Index != index {
		return e, false, fmt.Errorf("read %s, byte %d: %w: the line is another than before", at.segment, at.offset, dataset.ErrCorrupt)
	}
	return e, true, nil
}

// Append returns when an entry is durable. Calls that wait at the same time share one sync.
func (l *Log) Append(e Entry) error {
	line, err := e.line()
	if err != nil {
		return err
	}
	w := &write{key: key{e.SampleID, e.Index}, line: line, at: place{refused: e.Refused != ""}}
	l.waiting.Lock()
	l.queue = append(l.queue, w)
	l.waiting.Unlock()

	l.commit.Lock()
	defer l.commit.Unlock()
	if !w.done { // nobody took it along: lead
		l.waiting.Lock()
		batch := l.queue
		l.queue = nil
		l.waiting.Unlock()
		err := l.write(batch)
		for _, w := range batch {
			w.done, w.err = true, err
		}
	}
	return w.err
}

// write makes a batch durable. The commit lock is held. After a failure nothing more is written:
// nobody knows what of the line is on disk.
func (l *Log) write(batch []*write) error {
	if l.broken != nil {
		return l.broken
	}
	if l.broken = l.begin(); l.broken != nil {
		return l.broken
	}
	var all []byte
	for _, w := range batch {
		w.at.segment, w.at.offset, w.at.length = l.name, l.size+int64(len(all)), int32(len(w.line))
		all = append(all, w.line...)
	}
	_, err := l.out.Write(all)
	if err == nil {
		err = l.out.Sync()
	}
	if err != nil {
		l.broken = fmt.Errorf("write %s: %w", l.name, err)
		return l.broken
	}
	l.size += int64(len(all))
	for _, w := range batch {
		l.index[w.key] = w.at
	}
	return nil
}

// begin makes the segment at the first write.
func (l *Log) begin() error {
	if l.out != nil {
		return nil
	}
	out, err := l.fsys.Create(l.name)
	if err != nil {
		return fmt.Errorf("create %s: %w", l.name, err)
	}
	l.out = out
	return l.fsys.SyncDir(l.folder)
}

// Close closes the segment. Everything that Append has acknowledged is on disk already.
func (l *Log) Close() error {
	l.commit.Lock()
	defer l.commit.Unlock()
	if l.out == nil {
		return nil
	}
	err := l.out.Close()
	l.out, l.broken = nil, errors.Join(l.broken, errLogClosed)
	return err
}

var errLogClosed = errors.New("responses: closed")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumMark stands before the checksum, which is the last field of a line.
const sumMark = `,"crc32c":"`

// line is one JSON object with a checksum of what stands before it.
func (e *Entry) line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	body := b.Bytes()[:b.Len()-2] // without the closing brace and the line end
	return fmt.Appendf(body, `%s%08x"}`+"\n", sumMark, crc32.Checksum(body, castagnoli)), nil
}

// sumTail is the length of the checksum's field with the brace and the line end.
const sumTail = len(sumMark) + 8 + len("\"}\n")

var errTorn = errors.New("the line is torn")

func parseEntry(line []byte) (e Entry, err error) {
	if len(line) < sumTail || line[len(line)-1] != '\n' {
		return e, errTorn
	}
	body, tail := line[:len(line)-sumTail], line[len(line)-sumTail:]
	if string(tail) != fmt.Sprintf(`%s%08x"}`+"\n", sumMark, crc32.Checksum(body, castagnoli)) {
		return e, errTorn
	}
	err = json.Unmarshal(line, &e)
	if err == nil && (e.SampleID == "" || e.Index < 0) {
		err = errors.New("the line names no sample")
	}
	return e, err
}
