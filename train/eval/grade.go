package eval

import (
	"bufio"
	"context"
	"iter"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/train/reward"
)

// A Grader scores a response; judge.Grader is one. Its error says why a reward is unknown; only
// a context that ends stops the work.
type Grader interface {
	Grade(ctx context.Context, r reward.Request) (reward.Verdict, error)
}

// grade scores rollouts side by side, writes them in their order, and returns the groups.
// refusals are samples without a response; they have a group, and no line.
func grade(ctx context.Context, fsys dataset.FS, g Grader, workers int, rollouts iter.Seq2[*Rollout, error], progress *Progress) (*Groups, dataset.File, error) {
	out, err := createAside(fsys, RolloutsName)
	if err != nil {
		return nil, dataset.File{}, err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	groups := newGroups()
	for r, err := range inOrder(ctx, g, workers, rollouts) {
		if err == nil {
			err = writeRollout(w, r)
		}
		if err != nil {
			out.Abort()
			return nil, dataset.File{}, err
		}
		groups.add(r)
		progress.Done.Add(1)
	}
	if err := w.Flush(); err != nil {
		out.Abort()
		return nil, dataset.File{}, err
	}
	f, err := out.finish()
	return groups, f, err
}

// inOrder grades up to so many rollouts at a time and hands them out as they came.
func inOrder(ctx context.Context, g Grader, workers int, rollouts iter.Seq2[*Rollout, error]) iter.Seq2[*Rollout, error] {
	return func(yield func(*Rollout, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type graded struct {
			r   *Rollout
			err error
		}
		queue := make(chan chan graded, workers)
		go func() {
			defer close(queue)
			for r, err := range rollouts {
				one := make(chan graded, 1)
				select {
				case queue <- one:
				case <-ctx.Done():
					return
				}
				if err != nil {
					one <- graded{nil, err}
					return
				}
				go func() {
					v, _ := g.Grade(ctx, r.request()) // its reason stands in the verdict
					r.earn(v)
					one <- graded{r, ctx.Err()}
				}()
			}
		}()
		for one := range queue {
			got := <-one
			if !yield(got.r, got.err) || got.err != nil {
				cancel()
				for range queue { // the feeder ends before what it reads from is closed
				}
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Groups are the responses by sample, in the order in which the samples came.
type Groups struct {
	List    []*Group
	at      map[groupKey]*Group
	n       int // of the largest group
	reasons map[string]*Reason
}

type groupKey struct {
	sample string
	step   int64
}

func newGroups() *Groups { return &Groups{at: map[groupKey]*Group{}, reasons: map[string]*Reason{}} }

// of returns the group of a sample, a new one where there is none.
func (g *Groups) of(sampleID, benchmark string, step int64) *Group {
	k := groupKey{sampleID, step}
	one := g.at[k]
	if one == nil {
		one = &Group{SampleID: sampleID, Benchmark: benchmark, Step: step}
		g.at[k] = one
		g.List = append(g.List, one)
	}
	return one
}

func (g *Groups) add(r *Rollout) {
	one := g.of(r.SampleID, r.DataSource, r.Step)
	one.add(r)
	g.n = max(g.n, one.Responses)
	why := g.reasons[r.Reason]
	if why == nil {
		why = &Reason{Reason: r.Reason, Example: r.SampleID}
		g.reasons[r.Reason] = why
	}
	why.Count++
	if r.Reward == nil {
		why.Null++
	}
}

// Last returns the groups of the last step.
func (g *Groups) Last() (last []*Group) {
	step := int64(0)
	for _, one := range g.List {
		step = max(step, one.Step)
	}
	for _, one := range g.List {
		if one.Step == step {
			last = append(last, one)
		}
	}
	return last
}

// ReadGroups reads the groups of a finished evaluation.
func ReadGroups(rollouts iter.Seq2[*Rollout, error]) (*Groups, error) {
	g := newGroups()
	for r, err := range rollouts {
		if err != nil {
			return nil, err
		}
		g.add(r)
	}
	return g, nil
}
