package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/ingest"
	"github.com/longctx/pipeline/ingest/clean"
	"github.com/longctx/pipeline/ingest/documents"
)

// recordCost is how many bytes of memory a byte of input costs while it is in flight: text,
// JSON, ids, pages.
const recordCost = 6

// formatVerl is the format whose every record is a chat.
const formatVerl = "verl"

// ErrNoChatTemplate means that an input holds chats and nothing says how to write them as text.
var ErrNoChatTemplate = errors.New("its records are chats, and there is no chat template")

// ingestJob reads input files.
type ingestJob struct {
	chain
	o       Options
	ingest  *ingest.Plan
	clean   *clean.Plan // nil: nothing to look for
	readers sync.Pool   // of *recordReader: one per goroutine at work
}

// A recordReader turns records into samples, and looks at them.
type recordReader struct {
	parser  *ingest.Parser
	cleaner *clean.Cleaner // may be nil
}

func newIngestJob(ctx context.Context, o Options) (*ingestJob, error) {
	p, err := ingest.NewPlan(ctx, o.Ingest)
	if err != nil {
		return nil, err
	}
	c, err := newChain(o)
	if err != nil {
		return nil, err
	}
	for _, in := range p.Inputs {
		if in.Format == formatVerl && c.tokenize != nil && !c.tokenize.HasChat() {
			return nil, fmt.Errorf("input %s: %w", in.Name, ErrNoChatTemplate)
		}
	}
	j := &ingestJob{chain: c, o: o, ingest: p}
	if o.Clean.Enabled() {
		if j.clean, err = clean.NewPlan(ctx, o.Clean); err != nil {
			return nil, err
		}
	}
	j.readers.New = func() any {
		r := &recordReader{parser: ingest.NewParser(p)}
		if j.clean != nil {
			r.cleaner = j.clean.New()
		}
		return r
	}
	return j, nil
}

// ingestConfig is the part of the options that decides the bytes; paths are not.
type ingestConfig struct {
	MaxRecord      int64         `json:"max_record"`
	SplitBytes     int64         `json:"split_bytes"`
	AllowNoContext bool          `json:"allow_no_context"`
	Inputs         []inputConfig `json:"inputs"`
	Clean          *cleanConfig  `json:"clean,omitempty"`
}

// cleanConfig has the benchmarks by their content: one that changed makes another build.
type cleanConfig struct {
	NearDedup   float64           `json:"near_dedup,omitempty"`
	NearDedupBy string            `json:"near_dedup_by,omitempty"`
	Benchmarks  []clean.Benchmark `json:"benchmarks,omitempty"`
	Fields      []string          `json:"benchmark_fields,omitempty"`
	NGram       int               `json:"n_gram,omitempty"`
	Check       []string          `json:"check,omitempty"`
	Drop        []string          `json:"drop,omitempty"`
}

func newCleanConfig(p *clean.Plan) *cleanConfig {
	if p == nil {
		return nil
	}
	c := &cleanConfig{Check: p.Check, Drop: p.Drop}
	if p.NearDedup > 0 {
		c.NearDedup, c.NearDedupBy = p.NearDedup, p.NearDedupBy
	}
	if len(p.Benchmarks) > 0 {
		c.Benchmarks, c.Fields, c.NGram = p.Benchmarks, p.Fields, p.NGram
	}
	return c
}

type inputConfig struct {
	Name       string            `json:"name"`
	Map        map[string]string `json:"map,omitempty"`
	DataSource string            `json:"data_source,omitempty"`

	Documents *documents.Identity `json:"documents,omitempty"`
}

func (j *ingestJob) plan() (*Plan, error) {
	p := &Plan{Identity: Identity{Config: dataset.Config{}}, Splits: j.ingest.Splits}
	c := ingestConfig{MaxRecord: j.o.Ingest.MaxRecord, SplitBytes: j.o.Ingest.SplitBytes, AllowNoContext: j.o.Ingest.AllowNoContext, Clean: newCleanConfig(j.clean)}
	for _, in := range j.ingest.Inputs {
		p.Inputs = append(p.Inputs, in.Input)
		p.Guards = append(p.Guards, fmt.Sprintf("%s: %d bytes, written %s", in.Name, in.Bytes, in.ModTime.UTC().Format("2006-01-02T15:04:05.000000000")))
		config := inputConfig{Name: in.Name, Map: in.Map, DataSource: in.DataSource}
		if in.Documents != nil {
			config.Documents = &in.Documents.Identity
			p.Guards = append(p.Guards, "documents of "+in.Name+": "+in.Documents.Guard())
		}
		c.Inputs = append(c.Inputs, config)
	}
	for i := range p.Splits {
		p.sizes = append(p.sizes, j.ingest.SplitBytes(i))
	}
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p.Config[dataset.StageIngest] = data
	return p, j.describe(p, j.o)
}

func (j *ingestJob) carry() (map[string][]byte, error) {
	if j.tokenize == nil {
		return nil, nil
	}
	return j.tokenize.Files()
}

func (j *ingestJob) hash(ctx context.Context, split int) (string, error) {
	r, err := ingest.OpenSplit(ctx, j.ingest, split)
	if err != nil {
		return "", err
	}
	defer r.Close()
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Sum().SHA256, nil
		}
		if err != nil {
			return "", err
		}
		c.Release()
	}
}

func (j *ingestJob) open(ctx context.Context, split int) (source, error) {
	r, err := ingest.OpenSplit(ctx, j.ingest, split)
	if err != nil {
		return nil, err
	}
	return &inputSource{job: j, r: r}, nil
}

type inputSource struct {
	job  *ingestJob
	r    *ingest.Reader
	read int64 // bytes of the input behind the tasks so far
}

func (s *inputSource) Next() (task, error) {
	c, err := s.r.Next()
	if err != nil {
		return task{}, err
	}
	before := s.read
	s.read = s.r.BytesRead()
	return task{
		cost:  recordCost * c.Bytes(),
		bytes: s.read - before,
		run: func(emit func(output) error) error {
			defer c.Release()
			r := s.job.readers.Get().(*recordReader)
			counts, rejects, err := r.parser.Parse(c, func(rec arrow.Record) error {
				var seen cleaned
				if r.cleaner != nil {
					rec, seen = look(r.cleaner, s.job.clean.NearDedup > 0, rec)
				}
				o, err := s.job.apply(rec)
				if err != nil {
					return err
				}
				o.cleaned = seen
				return emit(o)
			})
			if err != nil {
				r.parser.Release() // it may hold rows of this chunk
				return err
			}
			s.job.readers.Put(r)
			return emit(output{rejects: rejects, records: counts.Records})
		},
	}, nil
}

func (s *inputSource) End() (string, int64, error) {
	sum := s.r.Sum()
	return sum.SHA256, sum.Lines, nil
}

func (s *inputSource) Close() error { return s.r.Close() }
