package audit

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// Run audits a finished dataset with a snapshot of its history. fsys is the dataset's folder.
func Run(ctx context.Context, fsys fs.FS, m *dataset.Manifest, snap *history.Snapshot, o Options) (*Facts, error) {
	if m.Stage != dataset.StageBucket {
		return nil, fmt.Errorf("the dataset is through %s only: it has no phases yet", m.Stage)
	}
	f := &Facts{
		Dataset:    Dataset{ID: m.ID, Phases: m.Phases, Ledger: m.Ledger, HasText: m.Layout() == dataset.LayoutFull},
		Thresholds: o.Thresholds,
		Details:    map[int32]*Detail{},
	}
	g := &gatherer{facts: f, options: o}
	if err := g.readSamples(ctx, fsys, m); err != nil {
		return nil, err
	}
	if err := g.readVisits(ctx, snap); err != nil {
		return nil, err
	}
	g.judgeSamples()
	g.makeSteps()
	g.expect()
	if err := g.readPlans(ctx); err != nil {
		return nil, err
	}
	g.rank()
	g.chooseDetails()
	if err := g.readRollouts(ctx, snap); err != nil {
		return nil, err
	}
	g.rankDisagreed()
	if err := g.readTexts(ctx, fsys, m); err != nil {
		return nil, err
	}
	var err error
	if f.History.Refused, err = readRefused(fsys); err != nil {
		return nil, err
	}
	g.makeSets()
	g.makeRetrospective()
	f.Findings = f.find()
	return f, nil
}

// A gatherer fills Facts, pass by pass.
type gatherer struct {
	facts   *Facts
	options Options

	index        map[history.SampleID]int32
	tasks        []string // data_source, by index
	task         []int32  // [samples] index into tasks
	place        []place  // [samples]
	runs         []string // whose outcomes count
	measurements []history.Measurement
	visits       []visit // in the order of training
	first        []int32 // [samples+1] visits of sample i are bySample[first[i]:first[i+1]]
	bySample     []int32 // indexes into visits: by sample, then in the order of training
	steps        map[stepKey]*Step
}

// place says where a sample lies.
type place struct{ shard, row int32 }

type stepKey struct {
	phase int32
	step  int64
}

// visitsOf returns the indexes of a sample's visits in the order of training.
func (g *gatherer) visitsOf(sample int32) []int32 {
	return g.bySample[g.first[sample]:g.first[sample+1]]
}

// columns are what is read of every shard.
type columns struct {
	SampleID     string `parquet:"sample_id"`
	SourceID     string `parquet:"source_id,optional"`
	Source       string `parquet:"source"`
	DataSource   string `parquet:"data_source,optional"`
	PromptLength int32  `parquet:"prompt_length"`
}

func (g *gatherer) readSamples(ctx context.Context, fsys fs.FS, m *dataset.Manifest) error {
	f := g.facts
	rows := int64(0)
	for _, s := range m.Shards {
		if s.Kind == dataset.KindRL {
			rows += s.Rows
		}
	}
	for _, p := range m.Phases {
		f.Dataset.SFT += p.SFTSamples
	}
	f.Samples = make([]Sample, 0, rows)
	g.index = make(map[history.SampleID]int32, rows)
	names := interner{}
	tasks := map[string]int32{}
	for n, s := range m.Shards {
		if s.Kind != dataset.KindRL {
			continue
		}
		row := int32(0)
		for block, err := range dataset.ReadRows[columns](fsys, s.Path) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			for i := range block {
				c := &block[i]
				id, err := history.ParseSampleID(c.SampleID)
				if err != nil {
					return fmt.Errorf("read shard %s, row %d: %w: %w", s.Path, row, dataset.ErrCorrupt, err)
				}
				task, ok := tasks[c.DataSource]
				if !ok {
					task = int32(len(g.tasks))
					g.tasks = append(g.tasks, names.of(c.DataSource))
					tasks[g.tasks[task]] = task
				}
				g.index[id] = int32(len(f.Samples))
				g.task = append(g.task, task)
				g.place = append(g.place, place{int32(n), row})
				f.Samples = append(f.Samples, Sample{
					ID: id, SourceID: c.SourceID, Source: names.of(c.Source), DataSource: g.tasks[task],
					Phase: s.Phase, PromptLength: c.PromptLength, LastPhase: None, LastStep: None,
				})
				row++
			}
		}
	}
	f.Totals.Samples = int64(len(f.Samples))
	return nil
}

// interner keeps one copy of each text.
type interner map[string]string

func (n interner) of(text string) string {
	if own, ok := n[text]; ok {
		return own
	}
	n[text] = text
	return text
}
